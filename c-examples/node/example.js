// Reads, writes and follows changes from Node.js. Build the addon first:
// cc -shared -fPIC -I/usr/include/node c-examples/node/cms.c -o cms.node -lcms
"use strict";
const cms = require(process.argv[2] || "./cms.node");

const store = cms.open();
console.log("address", cms.get(store, "network.lan.ipaddr"));
console.log("dns", cms.get(store, "network.lan.dns"));
console.log("gateway", cms.get(store, "network.lan.gateway"));
try {
    cms.set(store, "network.lan.bad-name", "x");
} catch (error) {
    console.log("refused:", error.code);
}
const end = cms.subscribe(store, "network", (key) => {
    console.log("changed:", key, cms.get(store, key));
    end();
});
cms.set(store, "network.lan.ipaddr", "192.168.9.1");
