import { randomUUID } from 'node:crypto';
import {
  type EvaluationContext,
  NOOP_PROVIDER,
  OpenFeature,
  type Provider,
  ProviderEvents,
} from '@openfeature/server-sdk';
import type { Organisation } from '../../storage/organisations.js';
import { endsWithin } from '../transport/shutdown.js';

/** The flag that lets organisations in. */
export const FLAG_KEY = 'segment_membership_index';

/** Where flags come from: a provider, what it is told of an organisation, and how it is closed. */
export interface FlagSource {
  readonly provider: Provider;
  readonly contextOf: (organisation: Organisation) => EvaluationContext;
  readonly close: () => Promise<void>;
}

/** The flag of one server. */
export interface OrganisationFlag {
  /** Undefined where the provider cannot tell: it is not ready, fails, does not answer or does not know the flag. */
  isOn(organisation: Organisation): Promise<boolean | undefined>;
  close(): Promise<void>;
}

const READY_TIMEOUT_MS = 5_000;
const EVALUATION_TIMEOUT_MS = 5_000;
const CHANGES = [ProviderEvents.Ready, ProviderEvents.ConfigurationChanged] as const;

/** Opens the flag by OpenFeature. Waits for a while for the provider to be ready, and goes on without: it may become so later. */
export async function openFlag(source: FlagSource, onChange: () => void): Promise<OrganisationFlag> {
  // Servers of one process have a provider each.
  const domain = randomUUID();
  const ready = OpenFeature.setProviderAndWait(domain, source.provider).catch(() => undefined);
  await endsWithin(ready, READY_TIMEOUT_MS);
  const client = OpenFeature.getClient(domain);
  for (const event of CHANGES) client.addHandler(event, onChange);
  return {
    async isOn(organisation) {
      const evaluating = client.getBooleanDetails(FLAG_KEY, false, source.contextOf(organisation));
      if (!(await endsWithin(evaluating, EVALUATION_TIMEOUT_MS))) return undefined;
      const { value, errorCode } = await evaluating;
      return errorCode === undefined ? value : undefined;
    },
    async close() {
      for (const event of CHANGES) client.removeHandler(event, onChange);
      await OpenFeature.setProviderAndWait(domain, NOOP_PROVIDER);
      await source.close();
    },
  };
}

/** An organisation as flags are evaluated for it: its attributes, its name and, as the targeting key, its own. */
export function contextOf({ key, name, attributes }: Organisation): EvaluationContext {
  return { ...attributes, name, targetingKey: key };
}
