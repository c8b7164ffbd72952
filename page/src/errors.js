// What went wrong, as a sentence that says what to do.

import { BaseError, ContractFunctionRevertedError } from "viem";

import { Refused } from "./records.js";
import { has, t } from "./words.js";

const codeOf = (error) => {
  for (let each = error; each; each = each.cause) if (typeof each.code === "number") return each.code;
  return null;
};

export function sentence(error) {
  if (error instanceof Refused || (error.code && has(`refused.${error.code}`))) {
    const place = error.line ? t("refused.line", { file: error.file, line: error.line }) : error.file;
    return `${place ?? ""}: ${t(`refused.${error.code}`, { detail: error.detail ?? "" })}`;
  }
  if (["QuotaExceededError", "SecurityError"].includes(error.name)) return t("error.storage");
  // How browsers say that a site does not answer: each in its own words, and in English.
  const silent = error instanceof TypeError && /fetch|network|load failed/i.test(error.message);
  if (silent || error.message === "offline") return t("error.offline");
  if (codeOf(error) === 4001) return t("error.rejected");
  if (error.message === "wallet") return t("error.wallet", { detail: error.detail });
  const [kind, detail] = error.message.split(":");
  if (["chain", "contract"].includes(kind) && detail && !/\s/.test(detail)) return t(`error.${kind}`, { detail });
  if (kind === "revert") return has(`revert.${detail}`) ? t(`revert.${detail}`) : t("error.revert", { name: detail });
  if (kind === "key") return t(`error.key.${detail}`);
  if (kind === "missing") return t("error.missing", { detail });
  if (
    [
      "account",
      "reverted",
      "balance",
      "amount",
      "manifest",
      "asked",
      "elsewhere",
      "relay",
      "address",
      "edited",
    ].includes(error.message)
  )
    return t(`error.${error.message}`);
  if (error instanceof BaseError) {
    const reverted = error.walk((each) => each instanceof ContractFunctionRevertedError);
    if (reverted) {
      const name = reverted.data?.errorName ?? reverted.reason ?? "?";
      return has(`revert.${name}`) ? t(`revert.${name}`) : t("error.revert", { name });
    }
    if (/insufficient funds/i.test(error.message)) return t("error.funds");
    return t("error.node", { detail: error.shortMessage });
  }
  return error.message;
}
