// Node's ws as a server: TOKEN. Prints its port, and of each connection what was agreed ("-": nothing).
//
// Every path sends back each message, compressed where that was agreed; below `/alone` neither side keeps its context.
const http = require("http");
const { WebSocketServer } = require("ws");

const [token] = process.argv.slice(2);
const shared = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });
const alone = new WebSocketServer({
    noServer: true,
    perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
});

const server = http.createServer((request, response) => response.writeHead(426).end());
server.on("upgrade", (request, socket, head) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
        socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    const sockets = request.url.startsWith("/alone") ? alone : shared;
    sockets.once("headers", headers => {
        console.log(headers.find(line => line.startsWith("Sec-WebSocket-Extensions: "))?.split(": ")[1] ?? "-");
    });
    sockets.handleUpgrade(request, socket, head, peer => {
        peer.on("message", bytes => {
            // In fragments where it is long enough for some.
            const size = Math.max(1, Math.floor(bytes.length / 3));
            for (let at = 0; at === 0 || at < bytes.length; at += size) {
                peer.send(bytes.subarray(at, at + size), { binary: false, fin: at + size >= bytes.length });
            }
        });
    });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
