/** Cuts a stream of Kafka requests or responses, each led by its length, into whole ones. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);

  *cut(chunk: Buffer): Generator<Buffer> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4) {
      const end = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) return;
      yield this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
    }
  }
}

export const OFFSET_COMMIT = 8;
const JOIN_GROUP = 11;
/** A response with addresses in it is never so long. */
const MAX_ADDRESSES_BYTES = 65_536;

/** Which call a request is. */
export function apiKeyOf(request: Buffer): number {
  return request.length < 12 ? -1 : request.readInt16BE(4);
}

/** A request to join a group with another session timeout in it; any other request as it is. */
export function withSessionTimeout(request: Buffer, sessionTimeoutMs: number): Buffer {
  if (apiKeyOf(request) !== JOIN_GROUP) return request;
  const clientIdLength = Math.max(0, request.readInt16BE(12));
  const groupAt = 14 + clientIdLength;
  const changed = Buffer.from(request);
  changed.writeInt32BE(sessionTimeoutMs, groupAt + 2 + request.readInt16BE(groupAt));
  return changed;
}

/** A response that names the broker's address, with the proxy's port in its place: clients go where they are told. */
export function withPort(response: Buffer, brokerPort: number, proxyPort: number): Buffer {
  if (response.length > MAX_ADDRESSES_BYTES) return response;
  const changed = Buffer.from(response);
  for (const host of ['localhost', '127.0.0.1']) {
    const address = Buffer.alloc(2 + host.length + 4);
    address.writeInt16BE(host.length, 0);
    address.write(host, 2);
    address.writeInt32BE(brokerPort, 2 + host.length);
    for (let at = changed.indexOf(address); at >= 0; at = changed.indexOf(address, at + 1))
      changed.writeInt32BE(proxyPort, at + 2 + host.length);
  }
  return changed;
}
