// Faults made from outside, where no peer has a say in them: the kernel's own packet filter rejects or drops
// what goes to a port on loopback, or comes from it. Needs nft, and the right to change its tables.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const PREFIX = 'sallyport_test_';
let made = 0;

function nft(args, input) {
  return new Promise((resolve, reject) => {
    // Where a user's PATH has no folder for administrators, the words below are to be about the right.
    const child = spawn('nft', args, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', (error) => reject(new Error(error.code === 'ENOENT'
      ? 'there is no nft: install it (Debian: apt-get install nftables)' : `nft does not start: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else if (/not permitted|must be root/i.test(stderr)) reject(new Error(`nft may not change the packet filter: run as root, or with CAP_NET_ADMIN\n${stderr}`));
      else reject(new Error(`nft ${args.join(' ')}: ${stderr}${input ?? ''}`));
    });
    child.stdin.on('error', () => {}); // it says by its exit why it does not read
    child.stdin.end(input ?? '');
  });
}

// What a process left behind that was killed.
async function removeStale() {
  for (const [, name, pid] of (await nft(['list', 'tables'])).matchAll(/table inet (sallyport_test_(\d+)_\d+)$/gm)) {
    if (!fs.existsSync(`/proc/${pid}`)) await nft(['delete', 'table', 'inet', name]).catch(() => {});
  }
}

const verdicts = { drop: 'drop', reset: 'reject with tcp reset', prohibited: 'reject with icmpx type admin-prohibited' };
// A connection's first packet; all but its first two.
const packets = { all: '', first: 'tcp flags & (fin | syn | rst | ack) == syn', later: 'tcp flags & syn == 0x0' };
const ports = { to: ['dport'], from: ['sport'], both: ['dport', 'sport'] };

// One rule, in a table of its own, that holds until lift(). A reset or ICMP goes to whoever sent the packet.
class Rule {
  static async put(port, { how, way = 'to', which = 'all' }) {
    const rule = Object.assign(new Rule(), { table: `${PREFIX}${process.pid}_${++made}` });
    const lines = ports[way].map((side) => `iif lo ip saddr 127.0.0.1 ip daddr 127.0.0.1 tcp ${side} ${port} ${packets[which]} counter ${verdicts[how]}`);
    await nft(['-f', '-'], `table inet ${rule.table} {\n chain input {\n  type filter hook input priority 0; policy accept;\n  ${lines.join('\n  ')}\n }\n}\n`);
    return rule;
  }

  // How many packets it was for.
  async hits() {
    const listed = await nft(['list', 'table', 'inet', this.table]);
    return [...listed.matchAll(/counter packets (\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
  }

  async lift() {
    if (this.lifted) return;
    this.lifted = true;
    await nft(['delete', 'table', 'inet', this.table]);
  }
}

// shut(port, {how, way, which}): a rule on 127.0.0.1.
//   how    'drop', 'reset' (TCP), 'prohibited' (ICMP)
//   way    'to' the port, 'from' it, 'both'
//   which  'all' packets; the 'first' of a connection, which is refused by that; all but the first of each side,
//          so that connections are made and the 'later' ones fall
// All rules are gone when the test ends, however it does.
export async function firewallFor(t) {
  const rules = [];
  t.after(async () => {
    for (const rule of rules) await rule.lift();
  });
  await removeStale();
  return {
    async shut(port, options) {
      const rule = await Rule.put(port, options);
      rules.push(rule);
      return rule;
    },
  };
}
