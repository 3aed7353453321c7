// Reads a picture in Mermaid as JSON text from each line, and answers with what Mermaid makes of it:
// a line of JSON with nodes (id -> label) and edges, or with the error.
import { createInterface } from "node:readline";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

async function read(text) {
  await mermaid.parse(text);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  const nodes = [...db.getVertices()].map(([id, { text }]) => [id, text]);
  const edges = db.getEdges().map(({ start, end, stroke, text }) => [start, end, stroke, text]);
  return { nodes, edges };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await read(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
