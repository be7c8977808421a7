import { isUtf8 } from 'node:buffer';
import { configureTextEncoding } from '@bufbuild/protobuf/wire';

/**
 * Has protobuf messages read and write text by Node's buffers, for the whole process. The default makes an array outside of the heap for each string,
 * which takes three times as long for batches of changes, most of it in the garbage collector.
 */
export function configureProtobufText(): void {
  configureTextEncoding({
    encodeUtf8: (text) => Buffer.from(text),
    decodeUtf8(bytes, strict) {
      if (strict === true && !isUtf8(bytes)) throw new TypeError('a string is not valid UTF-8');
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    },
    checkUtf8: (text) => text.isWellFormed(),
  });
}
