// Putting files where others can fetch them by their names: on this site if it takes files, else by the person.

import { must } from "./bytes.js";
import { cidOf } from "./cid.js";
import { h, press, save } from "./dom.js";
import { t } from "./words.js";

const address = (app, name) => new URL(app.files + name, location.href);

/** Whether this site has all of these files; false where it takes none. */
export async function isPublished(app, names) {
  if (!app.files) return false;
  const asked = names.map((name) => fetch(address(app, name), { method: "HEAD" }).then(({ ok }) => ok));
  return (await Promise.all(asked)).every(Boolean);
}

/** A file that this site has, as a Blob; null if it has none of this name, or another one. */
export async function published(app, cid) {
  const answer = app.files && (await fetch(address(app, cid)).catch(() => null));
  const data = answer?.ok ? await answer.blob() : null;
  return data && (await cidOf(data)) === cid ? data : null;
}

/** Elements that publish `files` (`{name, data}`), and call `done` when they are published. */
export function publishing(app, files, done) {
  const status = h("p", { role: "status" });
  if (app.files) {
    const button = press({ id: "upload" }, t("offer.upload"), async () => {
      const uploaded = await app.run(async () => {
        for (const { name, data } of files) {
          status.textContent = t("offer.uploading", { name });
          const answer = await fetch(address(app, name), { method: "PUT", body: data });
          must(answer.ok, `${name}: ${answer.status} ${(await answer.text()).slice(0, 200)}`);
        }
      });
      status.textContent = uploaded ? t("offer.uploaded") : "";
      if (uploaded) done();
      return uploaded;
    });
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
