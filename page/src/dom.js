// Elements from a tag, properties and children. Text is always text, so nothing that a chain or a file says is markup.
// In sentences, what stands between two backticks is a command.

const SENTENCES = new Set(["p", "span", "label", "button", "dd"]);
const sentence = (text) => text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? h("code", {}, part) : part));

export function h(tag, properties = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "className" || name === "value" || name === "disabled") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  const given = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  const rich = SENTENCES.has(tag)
    ? given.flatMap((child) => (typeof child === "string" ? sentence(child) : child))
    : given;
  node.append(...rich);
  return node;
}

/** A choice of files. The same file may be chosen once more, mended: browsers tell of a choice only if it is another. */
export function picker(properties) {
  const input = h("input", { type: "file", ...properties, onclick: () => (input.value = "") });
  return input;
}

/** A button that takes no second click while its action runs, and none at all once that gave something. */
export function press(properties, text, action) {
  const button = h(
    "button",
    {
      ...properties,
      onclick: async () => {
        button.disabled = true;
        const done = await action();
        button.disabled = Boolean(done);
      },
    },
    text,
  );
  return button;
}

/** Offer bytes or a Blob as a file. */
export function save(name, data, type = "application/octet-stream") {
  // Without a type, browsers look into the file and may add an ending to its name.
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
