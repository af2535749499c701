/** One entry of `imagedefinitions.json`. */
export interface ImageDefinition {
  readonly name: string;
  readonly imageUri: string;
}

/** Parses an image definitions file; returns a sentence about what is wrong with it instead of throwing. */
export function parseImageDefinitions(text: string): readonly ImageDefinition[] | { readonly error: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return { error: `contains invalid JSON format: ${(error as Error).message}` };
  }
  if (!Array.isArray(parsed)) return { error: 'must be a JSON list of {"name", "imageUri"} objects' };
  if (parsed.length === 0) return { error: 'names no container' };
  const definitions: ImageDefinition[] = [];
  for (const [index, item] of parsed.entries()) {
    const { name, imageUri } = (typeof item === 'object' && item !== null ? item : {}) as Partial<
      Record<string, unknown>
    >;
    if (typeof name !== 'string' || name === '' || typeof imageUri !== 'string' || imageUri === '') {
      return { error: `entry ${index + 1} must have the strings "name" and "imageUri"` };
    }
    if (definitions.some((other) => other.name === name))
      return { error: `names the container ${name} twice` };
    definitions.push({ name, imageUri });
  }
  return definitions;
}
