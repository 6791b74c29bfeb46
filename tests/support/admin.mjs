// Calls to the admin listener, over TLS where there is an authority to trust; a connection each.
import http from 'node:http';
import https from 'node:https';

// {status, headers, body}
export function ask({ port, host = '127.0.0.1', path = '/livez', method = 'GET', headers = {}, ca, socketPath }) {
  return new Promise((resolve, reject) => {
    const client = ca ? https : http;
    const req = client.request({ host, port, path, method, headers, ca, socketPath, agent: false, servername: 'localhost' }, (res) => {
      let body = '';
      res.on('data', (data) => (body += data));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end();
  });
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });
