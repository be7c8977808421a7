import { create, createFileRegistry, fromBinary, getOption, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { field as fieldRules } from '../../../src/gen/buf/validate/validate_pb.js';
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../../../src/gen/grpc/reflection/v1/reflection_pb.js';
import { MembershipService } from '../../../src/gen/rollcall/v1/membership_service_pb.js';
import { startGrpcServer } from '../../../src/server/transport/grpc-server.js';
import { rawGrpcClient } from '../../helpers/grpc-client.js';
import { createWireFixture } from '../wire-fixture.js';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

type Question = MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest'];

/** Asks all questions on one stream, ends it, and returns the answers once the server has ended it too. */
async function ask(version: 'v1' | 'v1alpha', ...questions: NonNullable<Question>[]) {
  const server = await startGrpcServer(createWireFixture().serverOptions);
  const client = rawGrpcClient(server.port);
  cleanUps.push(
    () => server.stop(0),
    () => {
      client.close();
    },
  );
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const call = client.makeBidiStreamRequest(path, asItIs, asItIs);
  for (const messageRequest of questions) {
    const request = create(ServerReflectionRequestSchema, { messageRequest });
    call.write(Buffer.from(toBinary(ServerReflectionRequestSchema, request)));
  }
  call.end();
  const answers = [];
  for await (const bytes of call as AsyncIterable<Buffer>) {
    answers.push(fromBinary(ServerReflectionResponseSchema, bytes).messageResponse);
  }
  return answers;
}

function filesOf(answer: Awaited<ReturnType<typeof ask>>[number] | undefined) {
  if (answer?.case !== 'fileDescriptorResponse') throw new Error(`no files, but ${String(answer?.case)}`);
  const file = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)).reverse();
  return createFileRegistry(create(FileDescriptorSetSchema, { file: sorted(file) }));
}

/** Each file after those it imports. */
function sorted<F extends { name: string; dependency: string[] }>(files: readonly F[]): F[] {
  const done = new Map<string, F>();
  const visit = (file: F): void => {
    for (const imported of files)
      if (file.dependency.includes(imported.name) && !done.has(imported.name)) visit(imported);
    done.set(file.name, file);
  };
  for (const file of files) if (!done.has(file.name)) visit(file);
  return [...done.values()];
}

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  it('lists the services, its own too', async () => {
    const [answer] = await ask(version, { case: 'listServices', value: '' });
    expect(answer).toMatchObject({
      case: 'listServicesResponse',
      value: {
        service: [
          { name: 'grpc.reflection.v1.ServerReflection' },
          { name: 'grpc.reflection.v1alpha.ServerReflection' },
          { name: 'rollcall.v1.IngestService' },
          { name: 'rollcall.v1.MembershipService' },
        ],
      },
    });
  });

  it.each([
    'rollcall.v1.MembershipService',
    'rollcall.v1.MembershipService.Count',
    'rollcall.v1.IdentityChange.Upsert',
    'google.rpc.ErrorInfo',
  ])('answers %s with its file and all that it imports', async (symbol) => {
    const [answer] = await ask(version, { case: 'fileContainingSymbol', value: symbol });
    const registry = filesOf(answer);
    const [service = symbol] = /^.*Service/.exec(symbol) ?? [];
    expect(registry.get(service)).toBeDefined();
  });
});

describe('the files of reflection', () => {
  it('keep the constraints', async () => {
    const [answer] = await ask('v1', { case: 'fileContainingSymbol', value: MembershipService.typeName });
    const size = filesOf(answer)
      .getMessage('rollcall.v1.SampleRequest')
      ?.fields.find(({ name }) => name === 'size');
    expect(size && getOption(size, fieldRules).type).toMatchObject({
      case: 'int32',
      value: { lessThan: { value: 1000 } },
    });
  });

  it('are found by name, by extension, and by each kind of symbol', async () => {
    const answers = await ask(
      'v1',
      { case: 'fileByFilename', value: 'rollcall/v1/selector.proto' },
      {
        case: 'fileContainingExtension',
        value: { containingType: 'google.protobuf.FieldOptions', extensionNumber: fieldRules.number },
      },
      { case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' },
      { case: 'fileContainingSymbol', value: 'rollcall.v1.RULE_TYPE_ALL' },
      { case: 'fileContainingSymbol', value: 'rollcall.v1.Selector.target' },
      { case: 'fileContainingSymbol', value: 'buf.validate.field' },
    );
    expect(answers.map((answer) => answer.case)).toEqual([
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'allExtensionNumbersResponse',
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'fileDescriptorResponse',
    ]);
  });

  it('are answered with NOT_FOUND where there are none, and the stream goes on', async () => {
    const answers = await ask(
      'v1',
      { case: 'fileContainingSymbol', value: 'rollcall.v1.Nothing' },
      { case: 'fileByFilename', value: 'rollcall/v1/nothing.proto' },
      { case: 'fileByFilename', value: 'rollcall/v1/member.proto' },
    );
    expect(answers).toMatchObject([
      { case: 'errorResponse', value: { errorCode: 5 } },
      { case: 'errorResponse', value: { errorCode: 5 } },
      { case: 'fileDescriptorResponse' },
    ]);
  });
});
