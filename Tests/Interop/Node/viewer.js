// Node's ws as a viewer that takes compressed messages: URL TOKEN OFFER FILE [SUBPROTOCOL]. Does as Python/viewer.py does.
const fs = require("fs");
const readline = require("readline");
const WebSocket = require("ws");

const told = ["welcome", "init_state", "agent_settled"];
const [url, token, offer, path, ...subprotocols] = process.argv.slice(2);
const camelCase = name => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const offered = JSON.parse(offer);
const options = Object.entries(offered ?? {}).map(([name, value]) => [camelCase(name), value]);
const file = fs.openSync(path, "w");
let compressed = 0;

const socket = new WebSocket(url, subprotocols, {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: offered && { threshold: 0, ...Object.fromEntries(options) },
});

socket.on("upgrade", response => console.log(response.headers["sec-websocket-extensions"] ?? "-"));

socket.on("open", () => {
    // Nothing that is public tells how a message came.
    const deflate = socket._extensions["permessage-deflate"];
    if (deflate) {
        const decompress = deflate.decompress.bind(deflate);
        deflate.decompress = (data, isLast, callback) => {
            compressed += isLast ? 1 : 0;
            decompress(data, isLast, callback);
        };
    }
    const lines = readline.createInterface({ input: process.stdin });
    lines.on("line", line => {
        const bytes = Buffer.from(line);
        const size = bytes.length < 1000 ? bytes.length : Math.ceil(bytes.length / 3);
        for (let at = 0; at < bytes.length; at += size) {
            socket.send(bytes.subarray(at, at + size), { binary: false, fin: at + size >= bytes.length });
        }
    });
    lines.on("close", () => socket.close(1000));
});

socket.on("message", bytes => {
    fs.writeSync(file, Buffer.concat([bytes, Buffer.from("\n")]));
    const frame = JSON.parse(bytes);
    const kind = (frame.payload ?? frame).type;
    if (told.includes(kind)) console.log(kind);
});

socket.on("close", () => console.log(compressed));
