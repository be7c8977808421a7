import { Command, Option } from '@commander-js/extra-typings';
import {
  type Environment,
  EnvironmentService,
  IdentityKeyMode,
  OrdinalMode,
  SourceKind,
} from '../../gen/rollcall/v1/environment_service_pb.js';
import { clientCommand } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { timeText } from '../format.js';
import type { Json } from '../json.js';
import { dim, green } from '../style.js';
import { formatTable, printable } from '../table.js';

const ORDINALS = { given: OrdinalMode.GIVEN, allotted: OrdinalMode.ALLOTTED } as const;
const SOURCES = { flagsmith: SourceKind.FLAGSMITH, dynamodb: SourceKind.DYNAMODB } as const;
const IDENTITY_KEYS = { composite: IdentityKeyMode.COMPOSITE, id: IdentityKeyMode.ID } as const;
const PAGE_SIZE = 1_000;

export function environmentCommand(context: CommandContext) {
  return new Command('environment')
    .description('create, list, change and delete the places that hold identities')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(createCommand(context))
    .addCommand(listCommand(context))
    .addCommand(updateCommand(context))
    .addCommand(deleteCommand(context));
}

function createCommand(context: CommandContext) {
  return clientCommand('create', [
    'rollcall environment create default',
    'rollcall environment create ser.4Bk7 --source flagsmith --project 12 --organisation 3',
  ])
    .description('create an environment; change events never do')
    .argument('<key>', "the environment's key")
    .option('--name <name>', 'its name (default: the key)', '')
    .option('--project <key>', 'the project whose segments it answers', 'default')
    .option('--organisation <key>', 'the organisation that owns the project', 'default')
    .addOption(
      new Option('--source <name>', 'what it is loaded from, by itself (default: nothing)').choices([
        'flagsmith',
        'dynamodb',
      ] as const),
    )
    .addOption(
      new Option(
        '--ordinals <where>',
        'where the ordinals of identities come from (default: given with the source flagsmith, else allotted)',
      ).choices(['allotted', 'given'] as const),
    )
    .addOption(
      new Option('--identity-key <form>', 'what identity.key is')
        .choices(['composite', 'id'] as const)
        .default('composite' as const),
    )
    .action(async (key, { name, project, organisation, source, ordinals, identityKey, ...options }) => {
      const { environment } = await withClient(context, options, (client) =>
        client.call(EnvironmentService.method.create, {
          environment: {
            ...{ key, name, project, organisation },
            ordinalMode: ordinals === undefined ? OrdinalMode.UNSPECIFIED : ORDINALS[ordinals],
            source: source === undefined ? SourceKind.UNSPECIFIED : SOURCES[source],
            identityKeyMode: IDENTITY_KEYS[identityKey],
          },
        }),
      );
      if (options.json === true && environment !== undefined) return context.output.json(environmentJson(environment));
      await context.output.line(`${green('✓')} ${printable(key)} is created`);
    });
}

function listCommand(context: CommandContext) {
  return clientCommand('list', ['rollcall environment list', 'rollcall environment list --project 12 --json'])
    .description('list the environments in order of their keys')
    .option('--project <key>', 'only those of this project', '')
    .action(async ({ project, ...options }) => {
      const environments = await withClient(context, options, async (client) => {
        const all: Environment[] = [];
        for (let pageToken = ''; ;) {
          const request = { project, pageSize: PAGE_SIZE, pageToken };
          const page = await client.call(EnvironmentService.method.list, request);
          all.push(...page.environments);
          pageToken = page.nextPageToken;
          if (pageToken === '') return all;
        }
      });
      if (options.json !== true) return context.output.line(environmentTable(environments));
      for (const environment of environments) await context.output.json(environmentJson(environment));
    });
}

function updateCommand(context: CommandContext) {
  return clientCommand('update', [
    'rollcall environment update staging --name Staging',
    'rollcall environment update ser.4Bk7 --identity-key id --source flagsmith',
  ])
    .description('change what is given of an environment; its segments change over once their atoms are built')
    .argument('<key>', "the environment's key")
    .option('--name <name>', 'its name')
    .addOption(new Option('--identity-key <form>', 'what identity.key is').choices(['composite', 'id'] as const))
    .addOption(
      new Option('--source <name>', 'what it is loaded from').choices(['flagsmith', 'dynamodb', 'none'] as const),
    )
    .action(async (key, { name, identityKey, source, ...options }) => {
      const request = {
        key,
        ...(name === undefined ? {} : { name }),
        ...(identityKey === undefined ? {} : { identityKeyMode: IDENTITY_KEYS[identityKey] }),
        ...(source === undefined ? {} : { source: source === 'none' ? SourceKind.UNSPECIFIED : SOURCES[source] }),
      };
      const { environment } = await withClient(context, options, (client) =>
        client.call(EnvironmentService.method.update, request),
      );
      if (options.json === true && environment !== undefined) return context.output.json(environmentJson(environment));
      await context.output.line(`${green('✓')} ${printable(key)} is updated`);
    });
}

function deleteCommand(context: CommandContext) {
  return clientCommand('delete', ['rollcall environment delete staging'])
    .description("delete an environment with its identities and its index; the project's segments stay")
    .argument('<key>', "the environment's key")
    .action(async (key, options) => {
      await withClient(context, options, (client) => client.call(EnvironmentService.method.delete, { key }));
      if (options.json === true) return context.output.json({ deleted: key });
      await context.output.line(`${green('✓')} ${printable(key)} is deleted`);
    });
}

function environmentJson(environment: Environment): Json {
  const { key, name, project, organisation, createdAt } = environment;
  return {
    ...{ key, name, project, organisation },
    ordinals: ordinalsOf(environment),
    identityKey: identityKeyOf(environment),
    source: sourceOf(environment),
    createdAt: timeText(createdAt),
  };
}

function environmentTable(environments: readonly Environment[]): string {
  return formatTable(
    ['key', 'name', 'project', 'organisation', 'ordinals', 'identity key', 'source', 'created'].map((title) => ({
      title,
    })),
    environments.map((environment) => [
      ...[environment.key, environment.name, environment.project, environment.organisation].map(printable),
      ordinalsOf(environment),
      identityKeyOf(environment),
      sourceOf(environment) ?? dim('–'),
      timeText(environment.createdAt) ?? '',
    ]),
  );
}

function ordinalsOf({ ordinalMode }: Environment): string {
  return ordinalMode === OrdinalMode.GIVEN ? 'given' : 'allotted';
}

function identityKeyOf({ identityKeyMode }: Environment): string {
  return identityKeyMode === IdentityKeyMode.ID ? 'id' : 'composite';
}

function sourceOf({ source }: Environment): string | undefined {
  return Object.entries(SOURCES).find(([, kind]) => kind === source)?.[0];
}
