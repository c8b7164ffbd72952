// Work that is done apart from the page.

import { t } from "./words.js";

/** What the worker makes of a message; throws what it says if it fails. */
export function inWorker(message) {
  return new Promise((done, fail) => {
    const worker = new Worker("worker.js");
    const end = (act, value) => {
      worker.terminate();
      act(value);
    };
    worker.onerror = (event) => end(fail, new Error(event.message || t("error.offline")));
    worker.onmessage = ({ data }) =>
      data.failed ? end(fail, new Error(data.failed.detail)) : data.unpacked && end(done, data.unpacked);
    worker.postMessage(message);
  });
}
