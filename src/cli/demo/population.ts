import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { TraitValue } from '../../core/values.js';

/** An identity that nobody is. */
export interface Person {
  readonly identifier: string;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

type RandomGenerator = ReturnType<typeof xoroshiro128plus>;

/**
 * `count` identities with 9 to 12 traits each, distributed as in a real product: few on the largest plan, old and new versions of
 * the app, traits that not everybody has. The same seed and position give the same identity, whatever `count` is.
 */
export function* population(seed: number, count: number): Generator<Person> {
  const random = xoroshiro128plus(seed);
  for (let position = 0; position < count; position += 1) yield personAt(random, position);
}

const FIRST_NAMES = [
  'ada',
  'ben',
  'chloe',
  'dario',
  'elif',
  'femi',
  'grace',
  'hugo',
  'ines',
  'jun',
  'kofi',
  'lena',
  'mila',
  'noor',
  'omar',
  'petra',
];
const LAST_NAMES = [
  'adeyemi',
  'bauer',
  'costa',
  'dubois',
  'eriksson',
  'fischer',
  'garcia',
  'haddad',
  'ito',
  'jansen',
  'kowalski',
  'lopez',
  'moreau',
  'nguyen',
];

/** Values with their weights. */
type Weighted<Value> = readonly (readonly [Value, number])[];

const PLANS: Weighted<string> = [
  ['free', 62],
  ['basic', 20],
  ['pro', 13],
  ['scale', 4],
  ['enterprise', 1],
];
const COUNTRIES: Weighted<string> = [
  ['US', 30],
  ['GB', 12],
  ['DE', 11],
  ['FR', 9],
  ['IN', 9],
  ['BR', 7],
  ['CA', 6],
  ['ES', 5],
  ['NL', 4],
  ['JP', 4],
  ['NG', 3],
];
const DOMAINS: Weighted<string> = [
  ['gmail.com', 55],
  ['outlook.com', 20],
  ['example.org', 15],
  ['acme.example', 7],
  ['rollcall.example', 3],
];
const DEVICES: Weighted<string> = [
  ['iPhone 15', 28],
  ['iPhone 12', 14],
  ['Pixel 8', 16],
  ['Galaxy S24', 20],
  ['MacBook', 12],
  ['ThinkPad', 10],
];
const VERSIONS: Weighted<string> = [
  ['2.9.4', 6],
  ['3.0.0', 9],
  ['3.1.0', 18],
  ['3.2.0-beta.1', 4],
  ['3.2.0', 25],
  ['3.2.1', 30],
  ['4.0.0-rc.2', 8],
];

const FIRST_DAY = Date.UTC(2019, 0, 1);
const DAYS = 2_500;
const DAY_MS = 86_400_000;

function personAt(random: RandomGenerator, position: number): Person {
  const first = pick(random, FIRST_NAMES);
  const last = pick(random, LAST_NAMES);
  const number = position.toString().padStart(6, '0');
  const plan = pickWeighted(random, PLANS);
  const joinedDay = uniformInt(random, 0, DAYS);
  const traits = {
    plan,
    country: pickWeighted(random, COUNTRIES),
    age: BigInt(18 + Math.floor(62 * uniformFloat64(random) ** 1.6)),
    email: `${first}.${last}${position % 97}@${pickWeighted(random, DOMAINS)}`,
    signed_up: new Date(FIRST_DAY + joinedDay * DAY_MS).toISOString().slice(0, 10),
    // Flagsmith's SDKs send versions as plain strings; the operand's `:semver` makes them versions.
    app_version: pickWeighted(random, VERSIONS),
    device: pickWeighted(random, DEVICES),
    spend: plan === 'free' ? 0.5 : Math.round(uniformFloat64(random) ** 3 * 200_000 + 50) / 100,
    sessions: BigInt(Math.floor(uniformFloat64(random) ** 3 * 900)),
    ...rareTraits(random),
  };
  return { identifier: `${first}-${last}-${number}`, traits };
}

function rareTraits(random: RandomGenerator): Record<string, TraitValue> {
  const traits: Record<string, TraitValue> = {};
  if (uniformFloat64(random) < 0.2) traits['beta'] = uniformFloat64(random) < 0.7;
  if (uniformFloat64(random) < 0.1) traits['referrer'] = pick(random, ['newsletter', 'friend', 'conference']);
  if (uniformFloat64(random) < 0.05) traits['churn_risk'] = Math.round(uniformFloat64(random) * 1000) / 1000 + 0.0001;
  return traits;
}

function pick<Value>(random: RandomGenerator, values: readonly Value[]): Value {
  const value = values[uniformInt(random, 0, values.length - 1)];
  if (value === undefined) throw new RangeError('nothing to pick from');
  return value;
}

function pickWeighted<Value>(random: RandomGenerator, values: Weighted<Value>): Value {
  let rest = uniformFloat64(random) * values.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [value, weight] of values) {
    rest -= weight;
    if (rest < 0) return value;
  }
  throw new RangeError('weights do not add up');
}
