/** Why the image store refused; `code` is one of the OCI distribution error codes. */
export class ImageStoreError extends Error {
  readonly code: ImageStoreErrorCode;

  constructor(code: ImageStoreErrorCode, message: string) {
    super(message);
    this.name = 'ImageStoreError';
    this.code = code;
  }
}

export type ImageStoreErrorCode =
  | 'NAME_INVALID'
  | 'BLOB_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'TAG_INVALID';
