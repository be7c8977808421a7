import { toBinary } from '@bufbuild/protobuf';
import type { DescEnum, DescExtension, DescFile, DescMessage, DescService } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { implement } from './handlers.js';
import type { Implementation } from './handlers.js';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.js';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.js';
import type { ServerReflectionRequest } from '../../gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import type { ServerReflectionRequest as ServerReflectionAlphaRequest } from '../../gen/grpc/reflection/v1alpha/reflection_pb.js';

type Question = (ServerReflectionRequest | ServerReflectionAlphaRequest)['messageRequest'];

/**
 * Server reflection, v1 and v1alpha (which differ in the package alone), over the given services and their own. A file
 * is answered with everything it imports, so one question suffices; options such as the constraints are kept.
 */
export function createReflection(services: readonly DescService[]): Implementation[] {
  const served = [...services, ServerReflection, ServerReflectionAlpha];
  const index = indexFiles(served);
  const names = served.map(({ typeName }) => typeName).sort();
  return [
    implement(ServerReflection, {
      serverReflectionInfo: async function* (requests) {
        for await (const request of requests) {
          yield { originalRequest: request, messageResponse: answer(request.messageRequest, index, names) };
        }
      },
    }),
    implement(ServerReflectionAlpha, {
      serverReflectionInfo: async function* (requests) {
        for await (const request of requests) {
          yield { originalRequest: request, messageResponse: answer(request.messageRequest, index, names) };
        }
      },
    }),
  ];
}

function answer(question: Question, index: FileIndex, services: readonly string[]) {
  switch (question.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } } as const;
    case 'fileByFilename':
      return files(index.byName.get(question.value));
    case 'fileContainingSymbol':
      return files(index.bySymbol.get(question.value));
    case 'fileContainingExtension':
      return files(index.byExtension.get(question.value.containingType)?.get(question.value.extensionNumber));
    case 'allExtensionNumbersOfType':
      return extensionNumbers(question.value, index);
    case undefined:
      return failure(Code.InvalidArgument, 'the request has no question');
  }
}

function files(file: DescFile | undefined) {
  if (file === undefined) return failure(Code.NotFound, 'not found');
  const all = [...withImports(file, new Set())];
  const fileDescriptorProto = all.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } } as const;
}

function extensionNumbers(baseTypeName: string, index: FileIndex) {
  const numbers = index.byExtension.get(baseTypeName);
  if (numbers === undefined && !index.bySymbol.has(baseTypeName)) return failure(Code.NotFound, 'not found');
  const extensionNumber = [...(numbers?.keys() ?? [])];
  return { case: 'allExtensionNumbersResponse', value: { baseTypeName, extensionNumber } } as const;
}

function failure(errorCode: Code, errorMessage: string) {
  return { case: 'errorResponse', value: { errorCode, errorMessage } } as const;
}

/** The file first, then what it imports, each once. */
function withImports(file: DescFile, seen: Set<DescFile>): Set<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const imported of file.dependencies) withImports(imported, seen);
  return seen;
}

interface FileIndex {
  readonly byName: Map<string, DescFile>;
  readonly bySymbol: Map<string, DescFile>;
  /** extended message → extension number → file */
  readonly byExtension: Map<string, Map<number, DescFile>>;
}

/** The files of the services, and of the details that come with errors. */
function indexFiles(services: readonly DescService[]): FileIndex {
  const index: FileIndex = { byName: new Map(), bySymbol: new Map(), byExtension: new Map() };
  const all = new Set<DescFile>();
  for (const file of [...services.map((service) => service.file), file_google_rpc_error_details])
    withImports(file, all);
  for (const file of all) {
    index.byName.set(file.proto.name, file);
    for (const desc of nestedTypes(file)) {
      for (const symbol of symbolsOf(desc)) index.bySymbol.set(symbol, file);
      if (desc.kind === 'extension') indexExtension(desc, file, index);
    }
  }
  return index;
}

function indexExtension(desc: DescExtension, file: DescFile, index: FileIndex): void {
  const numbers = index.byExtension.get(desc.extendee.typeName) ?? new Map<number, DescFile>();
  index.byExtension.set(desc.extendee.typeName, numbers.set(desc.number, file));
}

function symbolsOf(desc: DescMessage | DescEnum | DescExtension | DescService): string[] {
  const { typeName } = desc;
  const within = (names: readonly { readonly name: string }[]): string[] =>
    names.map(({ name }) => `${typeName}.${name}`);
  switch (desc.kind) {
    case 'message':
      return [typeName, ...within(desc.fields), ...within(desc.oneofs)];
    case 'enum': {
      const scope = typeName.slice(0, typeName.lastIndexOf('.') + 1);
      return [typeName, ...desc.values.map(({ name }) => `${scope}${name}`)];
    }
    case 'service':
      return [typeName, ...within(desc.methods)];
    case 'extension':
      return [typeName];
  }
}
