// Where the library keeps its sessions, codes and grants: in memory, so that they outlast a rotation of the keys. The methods are those
// that the library asks for: https://github.com/panva/node-oidc-provider/blob/main/example/my_adapter.js
export function newStorage() {
  const entries = new Map();

  class Adapter {
    constructor(model) {
      this.model = model;
    }

    key(id) {
      return `${this.model} ${id}`;
    }

    async upsert(id, payload, expiresIn) {
      entries.set(this.key(id), { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
    }

    async find(id) {
      const entry = entries.get(this.key(id));
      return entry && entry.expires > Date.now() ? entry.payload : undefined;
    }

    async findByUid(uid) {
      for (const [key, { payload, expires }] of entries) {
        if (key.startsWith(`${this.model} `) && payload.uid === uid && expires > Date.now()) return payload;
      }
      return undefined;
    }

    async consume(id) {
      entries.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
      entries.delete(this.key(id));
    }

    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of entries) {
        if (payload.grantId === grantId) entries.delete(key);
      }
    }
  }

  return Adapter;
}
