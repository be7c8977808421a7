import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findJava } from '../../../src/cli/development-broker/java.js';
import { startLocalBroker } from '../../../src/cli/development-broker/local-broker.js';
import type { LocalBroker } from '../../../src/cli/development-broker/local-broker.js';
import { createKafkaClient } from '../../../src/indexing/kafka/kafka-client.js';
import type { KafkaSasl } from '../../../src/indexing/kafka/kafka-client.js';

const run = promisify(execFile);
const KEYSTORE_PASSWORD = 'only-of-this-test';
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** Only a broker of our own can be told to ask for passwords. */
const java = await findJava(process.env).catch(() => undefined);

describe.skipIf(java === undefined)('a broker that is reached by TLS and SASL', () => {
  let folder: string;
  let broker: LocalBroker | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-secured-'));
    await createCertificate(folder, java ?? 'java');
    broker = await startLocalBroker({
      dataDirectory: join(folder, 'data'),
      settings: securedSettings(folder),
      scramUsers: { rollcall: 'right' },
      isTemporary: true,
    });
  });

  afterAll(async () => {
    await broker?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function clusterId(tlsCaFile: string | undefined, sasl: KafkaSasl | undefined): Promise<string> {
    const connection = { brokers: broker?.brokers ?? [], tls: true, tlsCaFile, sasl, onLog: () => undefined };
    const admin = createKafkaClient(connection).admin();
    try {
      await admin.connect();
      return (await admin.describeCluster()).clusterId;
    } finally {
      await admin.disconnect();
    }
  }

  it.each(MECHANISMS)('lets in who gives the password by %s', async (mechanism) => {
    const sasl = { mechanism, username: 'rollcall', password: 'right' };
    expect(await clusterId(join(folder, 'ca.pem'), sasl)).toMatch(/^[\w-]{22}$/);
  });

  it.each(MECHANISMS)('refuses a wrong password by %s', async (mechanism) => {
    const sasl = { mechanism, username: 'rollcall', password: 'wrong' };
    await expect(clusterId(join(folder, 'ca.pem'), sasl)).rejects.toThrow(/authentication failed|invalid/i);
  });

  it('is not trusted by a client that does not know its certificate', async () => {
    const sasl = { mechanism: 'plain', username: 'rollcall', password: 'right' } as const;
    await expect(clusterId(undefined, sasl)).rejects.toThrow(/self.signed certificate/i);
  });

  it('does not talk to a client that gives no password', async () => {
    await expect(clusterId(join(folder, 'ca.pem'), undefined)).rejects.toThrow();
  });
});

/** A certificate of its own for 127.0.0.1: `broker.p12` for the broker, `ca.pem` for its clients. Java brings the tool. */
async function createCertificate(folder: string, javaCommand: string): Promise<void> {
  const keytool = javaCommand === 'java' ? 'keytool' : join(dirname(javaCommand), 'keytool');
  const store = ['-alias', 'broker', '-keystore', join(folder, 'broker.p12'), '-storepass', KEYSTORE_PASSWORD];
  const identity = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1'];
  await run(keytool, ['-genkeypair', ...store, '-storetype', 'PKCS12', '-validity', '30', ...identity]);
  await run(keytool, ['-exportcert', '-rfc', ...store, '-file', join(folder, 'ca.pem')]);
}

function securedSettings(folder: string): Record<string, string> {
  const security = 'org.apache.kafka.common.security';
  const scram = `${security}.scram.ScramLoginModule required;`;
  return {
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,CLIENTS:SASL_SSL',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.clients.plain.sasl.jaas.config': `${security}.plain.PlainLoginModule required username="broker" password="broker" user_broker="broker" user_rollcall="right";`,
    'listener.name.clients.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.clients.scram-sha-512.sasl.jaas.config': scram,
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': join(folder, 'broker.p12'),
    'ssl.keystore.password': KEYSTORE_PASSWORD,
    'ssl.key.password': KEYSTORE_PASSWORD,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(folder, 'ca.pem'),
  };
}
