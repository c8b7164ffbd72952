// Putting files where others can fetch them by their names: on this site if it takes files, else by the person.

import { must } from "./bytes.js";
import { h, save } from "./dom.js";
import { t } from "./words.js";

/** Elements that publish `files` (`{name, data}`), and call `done` when they are published. */
export function publishing(app, files, done) {
  const status = h("p", { role: "status" });
  if (app.files) {
    const button = h(
      "button",
      {
        id: "upload",
        onclick: async () => {
          const uploaded = await app.run(async () => {
            for (const { name, data } of files) {
              status.textContent = t("offer.uploading", { name });
              const answer = await fetch(new URL(app.files + name, location.href), { method: "PUT", body: data });
              must(answer.ok, `${name}: ${answer.status} ${(await answer.text()).slice(0, 200)}`);
            }
          });
          if (!uploaded) return;
          status.textContent = t("offer.uploaded");
          button.disabled = true;
          done();
        },
      },
      t("offer.upload"),
    );
    return h("div", {}, button, status);
  }
  const served = h("input", { type: "checkbox", id: "served", onchange: () => served.checked && done() });
  return h(
    "div",
    {},
    files.map(({ name, data }) =>
      h("p", {}, h("button", { onclick: () => save(name, data) }, t("offer.download", { name }))),
    ),
    h("label", {}, served, " ", t("offer.served")),
  );
}
