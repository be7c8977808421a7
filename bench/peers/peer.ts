import type { Question } from '../world/questions.js';

/** What a user would count a segment with instead. */
export interface Peer {
  readonly name: string;
  /** Counts; undefined where the question cannot be put to it. */
  counting(question: Question): (() => Promise<number>) | undefined;
}
