// Follow a source from Node.js: npm install; node follow.mjs redis://localhost gate [COUNT]
import { decode } from "@msgpack/msgpack";
import { createClient, RESP_TYPES } from "redis";

const [url, source, count = "-1"] = process.argv.slice(2);
const address = url.startsWith("unix:") ? { socket: { path: url.slice("unix://".length) } } : { url };
// Bodies are bytes: without this they would be read as text.
const client = createClient(address).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

const bodyOf = (body) => (body[0] === 0x7b ? JSON.parse(body.toString()) : decode(body)); // 0x7b: {

await client.connect();
let last = "0"; // "$": only what is new
let left = Number(count);
reading: while (left !== 0) {
  const streams = await client.xRead({ key: `detections:${source}`, id: last }, { COUNT: 100, BLOCK: 1000 });
  for (const { id, message } of streams?.[0]?.messages ?? []) {
    last = id.toString();
    const frame = bodyOf(message.body);
    if (frame.type === "end") {
      console.log(`end after ${frame.frames} frames`);
      break reading;
    }
    const seen = frame.objects.map((found) => `${found.class_name}:${found.tracker_id}`).join(" ");
    console.log(`${message.ts} #${frame.seq} ${frame.error ?? seen}`.trimEnd());
    if (--left === 0) break reading;
  }
}
client.destroy();
