// What one would write oneself: a registry of agents at /ws that tells everybody who looks on.
// node registry.js PORT
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false });
const nodes = new Map();
const watchers = new Set();

function broadcast(event) {
  const text = JSON.stringify(event);
  for (const watcher of watchers) watcher.send(text);
}

const methods = {
  register(socket, node) {
    if (!node?.id || !node.machine || !node.cwd) throw new Error('a field is missing');
    delete node.instance;
    node.status = 'active';
    node.last_seen = Math.floor(Date.now() / 1000);
    nodes.set(node.id, node);
    watchers.delete(socket);
    socket.nodeId = node.id;
    broadcast({ event: 'node_joined', node });
    return { status: 'registered', id: node.id };
  },
  deregister(socket, { id }) {
    const isKnown = nodes.delete(id);
    if (isKnown) broadcast({ event: 'node_removed', id });
    return { status: isKnown ? 'deregistered' : 'not_found' };
  },
  list_nodes: () => [...nodes.values()],
};

server.on('connection', (socket, request) => {
  const isAgent = request.url.includes('role=agent');
  if (!isAgent) watchers.add(socket);
  socket.send(JSON.stringify({ event: 'init', nodes: isAgent ? [] : [...nodes.values()], protocol_version: '1' }));
  socket.on('message', (text) => {
    const { id, method, params } = JSON.parse(text);
    try {
      socket.send(JSON.stringify({ id, result: methods[method](socket, params) }));
    } catch (error) {
      socket.send(JSON.stringify({ id, error: error.message }));
    }
  });
  socket.on('close', () => {
    watchers.delete(socket);
    if (nodes.delete(socket.nodeId)) broadcast({ event: 'node_offline', id: socket.nodeId });
  });
});
server.on('listening', () => console.log('ready'));
