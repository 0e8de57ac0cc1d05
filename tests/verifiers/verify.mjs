// Verifies requests as a receiver in JavaScript does, with the official libraries; reads and writes what
// verify.py does.

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";
import { readFileSync } from "node:fs";

import { Receiver } from "@upstash/qstash";
import { Webhook } from "standardwebhooks";

const KINDS = {
  standard({ key, body, headers }) {
    new Webhook(key).verify(body, headers);
  },

  asymmetric({ key, body, headers }) {
    const x = Buffer.from(key.slice("whpk_".length), "base64").toString("base64url");
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const signatures = headers["webhook-signature"].split(" ").map((part) => part.split(","));
    const fits = signatures.some(
      ([version, encoded]) =>
        version === "v1a" &&
        verify(null, Buffer.from(signed), publicKey, Buffer.from(encoded, "base64")),
    );
    if (!fits) throw new Error("no signature of version v1a fits");
  },

  "hmac-hex"({ key, body, headers, header }) {
    const expected = Buffer.from(`sha256=${createHmac("sha256", key).update(body).digest("hex")}`);
    const given = Buffer.from(headers[header]);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new Error("another signature");
    }
  },

  async jwt({ key, nextKey, body, url, headers, header }) {
    const receiver = new Receiver({ currentSigningKey: key, nextSigningKey: nextKey ?? key });
    if (!(await receiver.verify({ signature: headers[header], body, url }))) {
      throw new Error("not accepted");
    }
  },
};

const verdicts = [];
for (const request of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    await KINDS[request.kind](request);
    verdicts.push(null);
  } catch (error) {
    verdicts.push(String(error));
  }
}
process.stdout.write(JSON.stringify(verdicts));
