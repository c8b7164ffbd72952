// Solves the circuit for given inputs: node witness.mjs CIRCUIT OUT < inputs.json
// Exit code 3: no witness exists, because the claim is not true of these facts.

import { Noir } from "@noir-lang/noir_js";
import { readFileSync, writeFileSync } from "node:fs";

const circuit = JSON.parse(readFileSync(process.argv[2], "utf8"));
const inputs = JSON.parse(readFileSync(0, "utf8"));
try {
  const { witness } = await new Noir(circuit).execute(inputs);
  writeFileSync(process.argv[3], witness, { mode: 0o600 });
} catch (error) {
  // What the solver throws where a constraint does not hold names the place in the circuit.
  if (error?.callStack === undefined) throw error;
  process.exitCode = 3;
}
