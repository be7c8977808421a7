import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import {
  type AdoptedEnvironment,
  type AdoptionFailure,
  AdoptionOutcome,
  type EnvironmentServiceAdoptFlagsmithResponse as AdoptedProject,
} from '../../gen/rollcall/v1/environment_service_pb.js';
import { formatCount, formatThings } from '../format.js';
import type { Json } from '../json.js';
import type { Output } from '../output.js';
import { importedSegmentJson, importOutcomeText } from '../segment-answers.js';
import { bold, dim, green, red } from '../style.js';
import { printable } from '../table.js';

/** What an adoption came to so far. */
export interface AdoptionTotals {
  readonly counts: Map<string, number>;
  /** Environments that were taken. */
  readonly environmentKeys: string[];
  disabled: number;
  failed: number;
  add(adopted: AdoptedProject): void;
}

export function createTotals(): AdoptionTotals {
  const organisations = new Set<string>();
  const totals: AdoptionTotals = {
    counts: new Map(),
    environmentKeys: [],
    disabled: 0,
    failed: 0,
    add({ organisation, environments, segments, segmentsFailure }) {
      const count = (what: string, outcome: string): void => {
        const name = `${what} ${outcome}`;
        totals.counts.set(name, (totals.counts.get(name) ?? 0) + 1);
      };
      if (organisation !== undefined && !organisations.has(organisation.key)) {
        organisations.add(organisation.key);
        count('organisation', outcomeText(organisation.outcome));
      }
      for (const { key, outcome } of environments) {
        count('environment', outcomeText(outcome));
        if (outcome === AdoptionOutcome.FAILED) totals.failed++;
        else totals.environmentKeys.push(key);
      }
      for (const segment of segments) count('segment', importOutcomeText(segment.outcome));
      totals.disabled += segments.filter(({ disabledReason }) => disabledReason !== '').length;
      if (segmentsFailure !== undefined) totals.failed++;
    },
  };
  return totals;
}

export function describeTotals({ counts, disabled, failed }: AdoptionTotals, isDryRun: boolean): string {
  const parts = ['organisation', 'environment', 'segment'].map((what) => {
    const outcomes = ['created', 'updated', 'unchanged', 'failed'].flatMap((outcome) => {
      const count = counts.get(`${what} ${outcome}`) ?? 0;
      return count === 0 ? [] : [`${formatCount(count)} ${outcome}`];
    });
    return `${what}s: ${outcomes.join(', ') || 'none'}`;
  });
  const note = isDryRun ? ' (a dry run: nothing was written)' : '';
  const disabledText = disabled === 0 ? '' : `; ${formatThings(disabled, 'segment')} disabled with a reason`;
  return `${failed === 0 ? green('✓') : red('!')} ${parts.join('; ')}${disabledText}${note}`;
}

/** A project in a few lines: what is as it was is only counted. */
export async function writeAdopted(output: Output, adopted: AdoptedProject): Promise<void> {
  const { project, projectName, organisation, environments, segments, segmentsFailure } = adopted;
  const owner = `organisation ${printable(organisation?.name ?? '')} (${organisation?.key ?? ''})`;
  await output.line(`${bold(`project ${printable(projectName)} (${printable(project)})`)} of ${owner}`);
  for (const environment of environments) await output.line(`  ${environmentLine(environment)}`);
  for (const { key, name, outcome, disabledReason } of segments) {
    const text = `segment ${printable(key)} ${printable(name)}: ${importOutcomeText(outcome)}`;
    if (disabledReason !== '') await output.line(`  ${red('!')} ${text}, disabled. ${printable(disabledReason)}`);
    else await output.line(`  ${mark(importOutcomeText(outcome))} ${text}`);
  }
  if (segmentsFailure !== undefined) await output.line(`  ${red('✗')} segments: ${failureText(segmentsFailure)}`);
}

function environmentLine({ key, name, outcome, failure }: AdoptedEnvironment): string {
  const text = `environment ${printable(key)} ${printable(name)}`;
  if (failure !== undefined) return `${red('✗')} ${text}: ${failureText(failure)}`;
  return `${mark(outcomeText(outcome))} ${text}: ${outcomeText(outcome)}`;
}

function mark(outcome: string): string {
  return outcome === 'unchanged' ? dim('–') : green('✓');
}

function failureText({ reason, explanation }: AdoptionFailure): string {
  return `${printable(explanation)} (${ErrorReason[reason]})`;
}

function outcomeText(outcome: AdoptionOutcome): string {
  return AdoptionOutcome[outcome].toLowerCase();
}

/** The same for programs, one project a line. */
export function adoptedJson(adopted: AdoptedProject, isDryRun: boolean): Json {
  const { project, projectName, organisation, environments, segments, segmentsFailure } = adopted;
  return {
    dryRun: isDryRun,
    ...{ project, projectName },
    organisation:
      organisation === undefined
        ? undefined
        : { key: organisation.key, name: organisation.name, outcome: outcomeText(organisation.outcome) },
    environments: environments.map(({ key, name, outcome, failure }) => ({
      ...{ key, name },
      outcome: outcomeText(outcome),
      failure: failureJson(failure),
    })),
    segments: segments.map(importedSegmentJson),
    segmentsFailure: failureJson(segmentsFailure),
  };
}

function failureJson(failure: AdoptionFailure | undefined): Json {
  return failure === undefined ? undefined : { reason: ErrorReason[failure.reason], explanation: failure.explanation };
}
