import { Command, Option } from '@commander-js/extra-typings';
import { fromJsonString, type JsonObject, toJson } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import {
  Gate,
  type Organisation,
  OrganisationService,
  WhenOff,
} from '../../gen/rollcall/v1/organisation_service_pb.js';
import { clientCommand } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { timeText } from '../format.js';
import { type Json, jsonOf } from '../json.js';
import { green } from '../style.js';
import { formatTable, printable } from '../table.js';

const WHEN_OFF = { configured: WhenOff.UNSPECIFIED, keep: WhenOff.KEEP, purge: WhenOff.PURGE } as const;
const PAGE_SIZE = 1_000;

export function organisationCommand(context: CommandContext) {
  return new Command('organisation')
    .description('list and change the owners of environments, and see whether their indexes are on')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(listCommand(context))
    .addCommand(showCommand(context))
    .addCommand(updateCommand(context));
}

function listCommand(context: CommandContext) {
  return clientCommand('list', ['rollcall organisation list', 'rollcall organisation list --json'])
    .description('list the organisations in order of their keys')
    .action(async (options) => {
      const organisations = await withClient(context, options, async (client) => {
        const all: Organisation[] = [];
        for (let pageToken = ''; ;) {
          const page = await client.call(OrganisationService.method.list, { pageSize: PAGE_SIZE, pageToken });
          all.push(...page.organisations);
          pageToken = page.nextPageToken;
          if (pageToken === '') return all;
        }
      });
      if (options.json !== true) return context.output.line(organisationTable(organisations));
      for (const organisation of organisations) await context.output.json(organisationJson(organisation));
    });
}

function showCommand(context: CommandContext) {
  return clientCommand('show', ['rollcall organisation show acme'])
    .description('show an organisation')
    .argument('<key>', "the organisation's key")
    .action(async (key, options) => {
      const { organisation } = await withClient(context, options, (client) =>
        client.call(OrganisationService.method.get, { key }),
      );
      await writeOrganisation(context, organisation, options.json === true);
    });
}

function updateCommand(context: CommandContext) {
  return clientCommand('update', [
    `rollcall organisation update acme --name 'Acme Ltd' --attributes '{"plan": "pro"}'`,
    'rollcall organisation update acme --when-off purge',
  ])
    .description('change what is given of an organisation; its gate is looked at again at once')
    .argument('<key>', "the organisation's key")
    .option('--name <name>', 'its name')
    .option('--attributes <json>', 'all of what the flag is evaluated with beside its key and name: a JSON object')
    .addOption(
      new Option(
        '--when-off <what>',
        'what becomes of its index while it is off: as configured for the service, or',
      ).choices(['configured', 'keep', 'purge'] as const),
    )
    .action(async (key, { name, attributes, whenOff, ...options }) => {
      const request = {
        key,
        ...(name === undefined ? {} : { name }),
        ...(attributes === undefined ? {} : { attributes: readAttributes(attributes) }),
        ...(whenOff === undefined ? {} : { whenOff: WHEN_OFF[whenOff] }),
      };
      const { organisation } = await withClient(context, options, (client) =>
        client.call(OrganisationService.method.update, request),
      );
      if (options.json !== true) await context.output.line(`${green('✓')} ${printable(key)} is updated`);
      await writeOrganisation(context, organisation, options.json === true);
    });
}

async function writeOrganisation(
  { output }: CommandContext,
  organisation: Organisation | undefined,
  isJson: boolean,
): Promise<void> {
  if (organisation === undefined) return;
  if (isJson) await output.json(organisationJson(organisation));
  else await output.line(organisationTable([organisation]));
}

/** Throws USAGE where it is no JSON object. */
function readAttributes(text: string): JsonObject {
  try {
    return toJson(StructSchema, fromJsonString(StructSchema, text));
  } catch (cause) {
    throw new CommandError('USAGE', '--attributes must be a JSON object', { cause });
  }
}

function organisationJson({ key, name, attributes, gate, whenOff, gatedAt }: Organisation): Json {
  return {
    ...{ key, name, attributes: jsonOf(attributes ?? {}) },
    gate: gateOf(gate),
    whenOff: whenOffOf(whenOff),
    gatedAt: timeText(gatedAt),
  };
}

function organisationTable(organisations: readonly Organisation[]): string {
  return formatTable(
    ['key', 'name', 'index', 'since', 'when off', 'attributes'].map((title) => ({ title })),
    organisations.map(({ key, name, attributes, gate, whenOff, gatedAt }) => [
      ...[key, name].map(printable),
      gate === Gate.UNSPECIFIED ? 'on' : `off by the ${gateOf(gate)}`,
      timeText(gatedAt) ?? '',
      whenOffOf(whenOff),
      printable(JSON.stringify(attributes ?? {})),
    ]),
  );
}

function gateOf(gate: Gate): string {
  return gate === Gate.UNSPECIFIED ? '' : Gate[gate].toLowerCase();
}

function whenOffOf(whenOff: WhenOff): string {
  return whenOff === WhenOff.UNSPECIFIED ? 'configured' : WhenOff[whenOff].toLowerCase();
}
