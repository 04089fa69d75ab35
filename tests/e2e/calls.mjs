// What the Node scripts beside this file share. A script is started once and answers calls, one a line:
//   {"call": "create", "arguments": {...}}   ->   {"result": ...} or {"crashed": "..."}
// It runs in the folder where node_modules is, and whatever libraries print goes to stderr.
import {createRequire} from "node:module";
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";
import path from "node:path";

export const packaged = createRequire(pathToFileURL(path.join(process.cwd(), "calls.cjs")));

for (const name of ["log", "info", "debug", "warn"]) console[name] = console.error;

// `failed` turns an error that a caller is to see into a result; what it returns nothing for has crashed.
export async function serve(calls, failed) {
  for await (const line of createInterface({input: process.stdin})) {
    const {call, arguments: given} = JSON.parse(line);
    let out;
    try {
      out = {result: (await calls[call](given)) ?? null};
    } catch (error) {
      const result = failed(error);
      out = result === undefined ? {crashed: error?.stack ?? String(error)} : {result};
    }
    process.stdout.write(JSON.stringify(out) + "\n");
  }
}
