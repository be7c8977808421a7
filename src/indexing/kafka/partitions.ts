import { type PartitionProgress, startProgress } from './partition-progress.js';

/** What this process knows of the partitions of a feed's topics, its own and others'. */
export class Partitions {
  readonly #cluster: string;
  readonly #byKey = new Map<string, PartitionProgress>();

  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  /** By topic and number. */
  all(): PartitionProgress[] {
    return [...this.#byKey.values()].sort(({ place: a }, { place: b }) =>
      a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition,
    );
  }

  get(topic: string, partition: number): PartitionProgress {
    const key = `${topic}/${partition}`;
    let progress = this.#byKey.get(key);
    if (progress === undefined) {
      progress = startProgress({ cluster: this.#cluster, topic, partition }, 0);
      this.#byKey.set(key, progress);
    }
    return progress;
  }

  /** The members of the newest assignment are ours; until they know where they stand they wait. */
  assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    for (const progress of this.#byKey.values()) {
      progress.isAssigned = false;
      progress.state = 'elsewhere';
      progress.reason = '';
    }
    for (const [topic, partitions] of Object.entries(assignment))
      for (const partition of partitions)
        Object.assign(this.get(topic, partition), {
          isAssigned: true,
          isPositioned: false,
          state: 'waiting',
          reason: 'its offset is being read',
        });
  }
}
