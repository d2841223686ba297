// Loaded before a peer that has no setting for the address: where it would listen for all the network, it listens here alone.
const net = require('node:net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) {
  return listen.call(this, port, typeof host === 'string' ? host : '127.0.0.1', ...(host === undefined || typeof host === 'string' ? rest : [host, ...rest]));
};
