// Runs a step of Code by Zapier by its contract: node step.mjs STEP.js, with the input data as JSON on its input. The
// code may await, has inputData and require, and its result is output. An error stops the Zap.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AsyncFunction = (async () => {}).constructor;
const code = readFileSync(process.argv[2], "utf8");
const step = new AsyncFunction("inputData", "require", `let output; ${code}\nreturn output;`);
console.log(JSON.stringify(await step(JSON.parse(readFileSync(0, "utf8")), createRequire(import.meta.url))));
