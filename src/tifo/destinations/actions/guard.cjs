/* Which addresses this process may connect to: public ones, and those of TIFO_EGRESS_ALLOW (CIDRs).
 *
 * It stands where a socket connects, on the resolved address, so it holds for every library, whatever it speaks, and for
 * each redirect. The rules are those of egress/rules.py; where IPv6 wraps an IPv4 host, only the plain mapping is looked
 * through, and the others are refused. */
"use strict";
const dns = require("node:dns");
const net = require("node:net");

const SPECIAL = [
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
  "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
  "224.0.0.0/4", "240.0.0.0/4",
  "::/127", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
  "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
];

const family = (address) => (net.isIPv6(address) ? "ipv6" : "ipv4");

function listOf(networks) {
  const list = new net.BlockList();
  for (const network of networks) {
    const [address, bits] = network.split("/");
    list.addSubnet(address, bits === undefined ? (net.isIPv6(address) ? 128 : 32) : Number(bits), family(address));
  }
  return list;
}

function plain(address) {
  const bare = address.split("%")[0];
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped) return mapped[1];
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(bare);
  if (!hex) return bare;
  const [high, low] = [parseInt(hex[1], 16), parseInt(hex[2], 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function guard(allowedNetworks) {
  const special = listOf(SPECIAL);
  const allowed = listOf(allowedNetworks);

  function refused(address) {
    const bare = plain(address);
    return special.check(bare, family(bare)) && !allowed.check(bare, family(bare));
  }

  function problem(address) {
    const message =
      `${address} is no public address. To reach it, name it in the setting egress_allow` +
      ` (TIFO_EGRESS_ALLOW=${plain(address)}).`;
    return Object.assign(new Error(message), { code: "EACCES" });
  }

  function guardedLookup(original) {
    return (host, options, callback) => {
      const wanted = typeof options === "function" ? {} : options;
      const done = typeof options === "function" ? options : callback;
      original(host, { ...wanted, all: true }, (error, found) => {
        if (error) return done(error);
        const addresses = (Array.isArray(found) ? found : [{ address: found, family: 0 }]).filter(
          (each) => !refused(each.address),
        );
        if (!addresses.length) return done(problem(found[0]?.address ?? host));
        return wanted.all ? done(null, addresses) : done(null, addresses[0].address, addresses[0].family);
      });
    };
  }

  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...args) {
    const normalized = Array.isArray(args[0]) ? args[0] : net._normalizeArgs(args);
    const options = normalized[0];
    if (options.path) {
      queueMicrotask(() => this.destroy(Object.assign(new Error("No local sockets."), { code: "EACCES" })));
      return this;
    }
    const host = (options.host ?? "localhost").replace(/^\[|\]$/g, "");
    if (net.isIP(host.split("%")[0]) && refused(host)) {
      queueMicrotask(() => this.destroy(problem(host)));
      return this;
    }
    normalized[0] = { ...options, lookup: guardedLookup(options.lookup ?? dns.lookup) };
    return connect.call(this, normalized);
  };
}

module.exports = { guard };
