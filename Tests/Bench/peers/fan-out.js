// What one would write oneself: a program's lines to every WebSocket, each WebSocket's messages to the program.
// node fan-out.js PORT COMMAND [ARGUMENT ...]
const { spawn } = require('child_process');
const { WebSocketServer } = require('ws');

const [port, command, ...words] = process.argv.slice(2);
const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
const server = new WebSocketServer({
  host: '127.0.0.1', port: Number(port),
  perMessageDeflate: process.env.DEFLATE ? { threshold: 0 } : false,
});

let rest = '';
child.stdout.setEncoding('utf8');
child.stdout.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) for (const client of server.clients) client.send(line);
});
server.on('connection', (socket) => socket.on('message', (text) => child.stdin.write(text + '\n')));
server.on('listening', () => console.log('ready'));
child.on('exit', () => process.exit(0));
