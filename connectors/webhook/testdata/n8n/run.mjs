// Runs a workflow of n8n by the contract of its nodes Webhook and Code: node run.mjs WORKFLOW.json PORT
// A webhook with rawBody gives the body as the binary "data" and the headers as JSON; a code node gets the items of
// the one before, and this.helpers; one that throws ends the workflow, which is answered with 500. The answer of the
// response mode lastNode is the first item of the last node.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:http";

const workflow = JSON.parse(readFileSync(process.argv[2], "utf8"));
const named = (name) => {
  const found = workflow.nodes.filter((n) => n.name === name);
  if (found.length !== 1) throw new Error(`${found.length} nodes are named ${name}`);
  return found[0];
};
const hook = workflow.nodes.find((n) => n.type === "n8n-nodes-base.webhook");
if (hook.typeVersion < 2 || hook.parameters.options.rawBody !== true || hook.parameters.responseMode !== "lastNode") throw new Error("the webhook");
const chain = [];
for (let at = hook.name; workflow.connections[at]; ) {
  const [[next]] = workflow.connections[at].main;
  if (next.type !== "main" || next.index !== 0) throw new Error("the connections");
  const node = named((at = next.node));
  if (node.type !== "n8n-nodes-base.code" || node.typeVersion !== 2) throw new Error(`no node of the type ${node.type}`);
  chain.push(node);
}
if (chain.length !== workflow.nodes.length - 1) throw new Error("a node is not connected");
const AsyncFunction = (async () => {}).constructor;
const builtin = createRequire(import.meta.url);
const allowed = (name) => { // NODE_FUNCTION_ALLOW_BUILTIN=crypto
  if (name !== "crypto") throw new Error(`Cannot find module '${name}'`);
  return builtin(name);
};

async function run(item) {
  let items = [item];
  for (const node of chain) {
    const given = items;
    const self = { helpers: { getBinaryDataBuffer: async (i, name) => Buffer.from(given[i].binary[name].data, "base64") } };
    const input = { first: () => given[0], all: () => given };
    items = await new AsyncFunction("$input", "require", node.parameters.jsCode).call(self, input, allowed);
    if (!Array.isArray(items) || items.some((i) => typeof i.json !== "object")) throw new Error("a code node returns items");
  }
  return items;
}

createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  if (req.url !== `/webhook/${hook.parameters.path}` || req.method !== hook.parameters.httpMethod) return res.writeHead(404).end();
  const data = { data: Buffer.concat(chunks).toString("base64"), mimeType: req.headers["content-type"] };
  try {
    const items = await run({ json: { headers: req.headers, params: {}, query: {}, body: {} }, binary: { data } });
    res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(items[0].json));
    console.log(JSON.stringify(items[0].json));
  } catch {
    res.writeHead(500, { "Content-Type": "application/json" }).end('{"message":"Error in workflow"}');
  }
}).listen(Number(process.argv[3]), "127.0.0.1", () => console.log("ready"));
