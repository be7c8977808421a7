/** What the broker's settings are made from. */
export interface BrokerPlace {
  /** For clients. */
  readonly port: number;
  /** For the broker itself. */
  readonly controllerPort: number;
  readonly logDirectory: string;
}

/** Kafka takes back a broker that was killed only after its session has expired (its own default: 9 s). Long enough for a busy machine. */
const SESSION_TIMEOUT_MS = 4_000;
const HEARTBEAT_INTERVAL_MS = 1_000;

/** One node that is broker and controller, on loopback, small: no topic but those asked for, no copies, no waiting for a group's further members. */
function defaultSettings({ port, controllerPort, logDirectory }: BrokerPlace): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'CLIENTS',
    listeners: `CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT',
    'log.dirs': logDirectory.replaceAll('\\', '/'),
    'broker.session.timeout.ms': String(SESSION_TIMEOUT_MS),
    'broker.heartbeat.interval.ms': String(HEARTBEAT_INTERVAL_MS),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'log.cleaner.dedupe.buffer.size': String(4 * 1024 * 1024),
    'num.network.threads': '2',
    'num.io.threads': '4',
  };
}

/** The text of `server.properties`; `settings` come on top of ours. */
export function brokerProperties(place: BrokerPlace, settings: Readonly<Record<string, string>>): string {
  const all = { ...defaultSettings(place), ...settings };
  return `${Object.entries(all)
    .map(([name, value]) => `${name}=${escapeValue(value)}`)
    .join('\n')}\n`;
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
