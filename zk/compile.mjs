// Compiles the circuit for one size: node compile.mjs DEPTH FOLDER

import { compile_program, createFileManager } from "@noir-lang/noir_wasm";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [depth, folder] = [Number(process.argv[2]), process.argv[3]];
const here = dirname(fileURLToPath(import.meta.url));
const work = join(folder, `compile-${depth}-${process.pid}`);
mkdirSync(work, { recursive: true });
try {
  cpSync(join(here, "threshold"), work, { recursive: true });
  const path = join(work, "src", "main.nr");
  const source = readFileSync(path, "utf8");
  const sized = source.replace(/(?<=^global DEPTH: u32 = )\d+(?=;$)/m, String(depth));
  writeFileSync(path, sized);
  console.log = () => {};
  const { program } = await compile_program(
    createFileManager(work),
    undefined,
    () => {},
    (line) => process.stderr.write(`${line}\n`),
  );
  const { noir_version, abi, bytecode } = program;
  const out = join(work, "circuit.json");
  writeFileSync(out, JSON.stringify({ noir_version, hash: "", abi, bytecode, debug_symbols: "", file_map: {} }));
  renameSync(out, join(folder, `threshold-${depth}.json`));
} finally {
  rmSync(work, { recursive: true, force: true });
}
