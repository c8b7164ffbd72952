"use strict";
// A `solc` command over the WebAssembly build of the Solidity compiler (`soljson.js`, npm package
// `solc`), for machines that cannot download a native one. Same compiler, same output, slower.
//
// Answers what py-solc-x, Ape, forge and slither ask of `solc`: --version, --license,
// --standard-json, --combined-json, --bin, --bin-runtime, --abi, --hashes. Reads and writes
// synchronously, so that output through a pipe is never cut short.
// Imports are read from the base path, then from the include paths. --allow-paths is accepted and
// has no effect.

const fs = require("node:fs");
const path = require("node:path");

const FLAGS = new Set([
  "abi",
  "bin",
  "bin-runtime",
  "experimental",
  "hashes",
  "help",
  "license",
  "no-cbor-metadata",
  "no-color",
  "optimize",
  "standard-json",
  "version",
  "via-ir",
]);
const OPTIONS = new Set([
  "allow-paths",
  "base-path",
  "combined-json",
  "evm-version",
  "include-path",
  "libraries",
  "metadata-hash",
  "optimize-runs",
  "revert-strings",
]);

// One row an item of --combined-json: the item's name in Standard JSON, and where it is found in it.
const text = JSON.stringify;
const COMBINED = {
  abi: ["abi", (contract) => contract.abi],
  asm: ["evm.legacyAssembly", (contract) => contract.evm.legacyAssembly ?? null],
  bin: ["evm.bytecode.object", (contract) => contract.evm.bytecode.object],
  "bin-runtime": [
    "evm.deployedBytecode.object",
    (contract) => contract.evm.deployedBytecode.object,
  ],
  devdoc: ["devdoc", (contract) => contract.devdoc],
  "function-debug": [
    "evm.bytecode.functionDebugData",
    (contract) => contract.evm.bytecode.functionDebugData,
  ],
  "function-debug-runtime": [
    "evm.deployedBytecode.functionDebugData",
    (contract) => contract.evm.deployedBytecode.functionDebugData,
  ],
  "generated-sources": [
    "evm.bytecode.generatedSources",
    (contract) => contract.evm.bytecode.generatedSources,
  ],
  "generated-sources-runtime": [
    "evm.deployedBytecode.generatedSources",
    (contract) => contract.evm.deployedBytecode.generatedSources,
  ],
  hashes: ["evm.methodIdentifiers", (contract) => contract.evm.methodIdentifiers],
  metadata: ["metadata", (contract) => contract.metadata],
  opcodes: ["evm.bytecode.opcodes", (contract) => contract.evm.bytecode.opcodes],
  srcmap: ["evm.bytecode.sourceMap", (contract) => contract.evm.bytecode.sourceMap],
  "srcmap-runtime": [
    "evm.deployedBytecode.sourceMap",
    (contract) => contract.evm.deployedBytecode.sourceMap,
  ],
  "storage-layout": ["storageLayout", (contract) => contract.storageLayout],
  "transient-storage-layout": [
    "transientStorageLayout",
    (contract) => contract.transientStorageLayout,
  ],
  userdoc: ["userdoc", (contract) => contract.userdoc],
};

class UsageError extends Error {}

function parseArguments(argv) {
  const options = { "include-path": [], files: [], remappings: [] };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i];
    if (!word.startsWith("--")) {
      if (word.includes("=")) options.remappings.push(word);
      else options.files.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (FLAGS.has(name)) {
      options[name] = true;
    } else if (OPTIONS.has(name)) {
      const value = equals < 0 ? argv[++i] : word.slice(equals + 1);
      if (value === undefined) throw new UsageError(`the option '--${name}' needs an argument`);
      if (name === "include-path") options[name].push(value);
      else options[name] = value;
    } else {
      throw new UsageError(`unrecognised option '--${name}'`);
    }
  }
  return options;
}

function readFully(source) {
  if (source !== "-") return fs.readFileSync(source, "utf8");
  const chunks = [];
  const chunk = Buffer.alloc(1 << 16);
  for (;;) {
    let size;
    try {
      size = fs.readSync(0, chunk, 0, chunk.length, null);
    } catch (error) {
      if (error.code === "EAGAIN") continue;
      if (error.code === "EOF") break;
      throw error;
    }
    if (size === 0) break;
    chunks.push(Buffer.from(chunk.subarray(0, size)));
  }
  return Buffer.concat(chunks).toString("utf8");
}

function writeFully(descriptor, string) {
  const bytes = Buffer.from(string, "utf8");
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += fs.writeSync(descriptor, bytes, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

/** Return a Standard JSON compiler: (input text, resolver of imports) => output text. */
function loadCompiler() {
  // The Emscripten module installs handlers that would print its own 9 MB source on any error.
  const listeners = ["uncaughtException", "unhandledRejection"].map((event) => [
    event,
    process.listeners(event),
  ]);
  const wasm = require("./soljson.js");
  for (const [event, before] of listeners) {
    for (const added of process.listeners(event)) {
      if (!before.includes(added)) process.removeListener(event, added);
    }
  }
  const compile = wasm.cwrap("solidity_compile", "string", ["string", "number", "number"]);
  const give = (string, pointer) => {
    const size = wasm.lengthBytesUTF8(string) + 1;
    const buffer = wasm._solidity_alloc(size);
    wasm.stringToUTF8(string, buffer, size);
    wasm.setValue(pointer, buffer, "*");
  };
  return (input, resolve) => {
    const callback = wasm.addFunction((context, kind, data, contents, error) => {
      const wanted = wasm.UTF8ToString(kind);
      if (wanted !== "source") {
        give(`Callback '${wanted}' is not supported`, error);
        return;
      }
      const found = resolve(wasm.UTF8ToString(data));
      if (found === null) give("File not found.", error);
      else give(found, contents);
    }, "viiiii");
    return compile(input, callback, 0);
  };
}

function importResolver(options) {
  // Ape compiles a copy of the sources elsewhere, without node_modules: look here last.
  const roots = [options["base-path"] ?? "", ...options["include-path"], process.cwd()];
  return (name) => {
    const relative = name.startsWith("file://") ? name.slice("file://".length) : name;
    for (const root of roots) {
      const file = path.isAbsolute(relative) ? relative : path.resolve(root, relative);
      if (fs.existsSync(file) && fs.statSync(file).isFile()) return fs.readFileSync(file, "utf8");
    }
    return null;
  };
}

/** The name solc gives a file of the command line: relative to the base path where possible. */
function sourceUnitName(file, options) {
  if (file === "-") return "<stdin>";
  const absolute = path.resolve(file);
  for (const root of [options["base-path"] ?? "", ...options["include-path"]]) {
    const relative = path.relative(path.resolve(root), absolute);
    if (!relative.startsWith("..")) return relative.split(path.sep).join("/");
  }
  return absolute.split(path.sep).join("/");
}

function parseLibraries(list) {
  const libraries = {};
  for (const entry of (list ?? "").split(/[\s,]+/).filter(Boolean)) {
    const [, file, name, address] = /^(.*):([^:=]+)[:=](0x[0-9a-fA-F]{40})$/.exec(entry) ?? [];
    if (name === undefined) throw new UsageError(`Invalid option to --libraries: ${entry}`);
    libraries[file] = { ...libraries[file], [name]: address };
  }
  return libraries;
}

function wantedItems(options) {
  const items = (options["combined-json"] ?? "")
    .split(",")
    .filter((item) => item && item !== "ast");
  for (const flag of ["abi", "bin", "bin-runtime", "hashes"]) if (options[flag]) items.push(flag);
  for (const item of items) {
    if (!(item in COMBINED)) throw new UsageError(`Invalid option to --combined-json: ${item}`);
  }
  return [...new Set(items)];
}

function standardInput(options, items) {
  const files = options.files.length > 0 ? options.files : ["-"];
  const sources = {};
  for (const file of files) sources[sourceUnitName(file, options)] = { content: readFully(file) };
  const settings = {
    remappings: options.remappings,
    optimizer: { enabled: Boolean(options.optimize || options["optimize-runs"]) },
    metadata: {},
    libraries: parseLibraries(options.libraries),
    outputSelection: { "*": { "*": items.map((item) => COMBINED[item][0]), "": ["ast"] } },
  };
  if (options["optimize-runs"]) settings.optimizer.runs = Number(options["optimize-runs"]);
  if (options["evm-version"]) settings.evmVersion = options["evm-version"];
  if (options["via-ir"]) settings.viaIR = true;
  if (options["metadata-hash"]) settings.metadata.bytecodeHash = options["metadata-hash"];
  if (options["no-cbor-metadata"]) settings.metadata.appendCBOR = false;
  if (options["revert-strings"]) settings.debug = { revertStrings: options["revert-strings"] };
  return { language: "Solidity", sources, settings };
}

function combinedJson(output, items, version, withAst) {
  const contracts = {};
  for (const [source, units] of Object.entries(output.contracts ?? {})) {
    for (const [name, contract] of Object.entries(units)) {
      contracts[`${source}:${name}`] = Object.fromEntries(
        items.map((item) => [item, COMBINED[item][1](contract)]),
      );
    }
  }
  const sources = Object.entries(output.sources ?? {}).sort(([, a], [, b]) => a.id - b.id);
  const result = { contracts, sourceList: sources.map(([name]) => name), version };
  if (withAst) {
    result.sources = Object.fromEntries(
      sources.map(([name, { ast, id }]) => [name, { AST: ast, id }]),
    );
  }
  return result;
}

function printItems(output, items) {
  const titles = {
    abi: "Contract JSON ABI",
    bin: "Binary",
    "bin-runtime": "Binary of the runtime part",
    hashes: "Function signatures",
  };
  for (const [source, units] of Object.entries(output.contracts ?? {})) {
    for (const [name, contract] of Object.entries(units)) {
      writeFully(1, `\n======= ${source}:${name} =======\n`);
      for (const item of items) {
        const value = COMBINED[item][1](contract);
        const lines =
          item === "hashes"
            ? Object.entries(value).map(([signature, selector]) => `${selector}: ${signature}`)
            : [typeof value === "string" ? value : text(value)];
        writeFully(1, `${titles[item]}${item === "bin" || item === "bin-runtime" ? ":" : ""}\n`);
        writeFully(1, `${lines.join("\n")}\n`);
      }
    }
  }
}

function main(argv) {
  const options = parseArguments(argv);
  const version = fs.readFileSync(path.join(__dirname, "version"), "utf8").trim();
  if (options.help) {
    writeFully(1, `solc ${version} (WebAssembly). Options: `);
    writeFully(1, `${[...FLAGS, ...OPTIONS].map((name) => `--${name}`).join(" ")}\n`);
    return 0;
  }
  if (options.version) {
    writeFully(1, `solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
    return 0;
  }
  if (options.license) {
    const wasm = require("./soljson.js");
    writeFully(1, `${wasm.cwrap("solidity_license", "string", [])()}\n`);
    return 0;
  }
  const resolve = importResolver(options);
  if (options["standard-json"]) {
    const input = readFully(options.files[0] ?? "-");
    writeFully(1, `${loadCompiler()(input, resolve)}\n`);
    return 0;
  }
  const items = wantedItems(options);
  const input = standardInput(options, items);
  const output = JSON.parse(loadCompiler()(text(input), resolve));
  const problems = output.errors ?? [];
  for (const problem of problems) writeFully(2, `${problem.formattedMessage}\n`);
  if (problems.some((problem) => problem.severity === "error")) return 1;
  if (options["combined-json"]) {
    const withAst = options["combined-json"].split(",").includes("ast");
    writeFully(1, `${text(combinedJson(output, items, version, withAst))}\n`);
  } else {
    printItems(output, items);
  }
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError) && error.code === undefined) throw error;
  writeFully(2, `${error.message}\n`);
  process.exitCode = 1;
}
