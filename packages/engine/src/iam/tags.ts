/** The tags that a request passes, and the keys of all tags that it names. */
export interface RequestTags {
  readonly tags: Readonly<Record<string, string>>;
  readonly keys: readonly string[];
}

/** Reads the tags of an operation's input, in whatever form its service gives them. */
export function requestTags(input: Readonly<Record<string, unknown>>): RequestTags {
  const specifications = Array.isArray(input.TagSpecifications) ? input.TagSpecifications : [];
  const passed = [
    input.Tags ?? input.tags,
    ...specifications.map((each) => (each as { Tags?: unknown }).Tags),
  ];
  const removed = input.TagKeys ?? input.tagKeys;
  const names = [...passed, removed].flatMap((each) =>
    Array.isArray(each) ? each.filter((name) => typeof name === 'string') : [],
  );
  const tags = tagMap(...passed);
  return { tags, keys: [...Object.keys(tags), ...names] };
}

/** Tags by key, from maps and from lists of pairs, whose members begin with capitals or not. */
export function tagMap(...forms: readonly unknown[]): Record<string, string> {
  return Object.fromEntries(
    forms.flatMap((tags): Array<[string, string]> => {
      if (typeof tags !== 'object' || tags === null) return [];
      if (!Array.isArray(tags)) return Object.entries(tags).map(([key, value]) => [key, String(value)]);
      return tags.flatMap(
        (tag: Readonly<Record<string, unknown>> | string | null): Array<[string, string]> =>
          typeof tag === 'object' && tag !== null
            ? [[String(tag.Key ?? tag.key ?? ''), String(tag.Value ?? tag.value ?? '')]]
            : [],
      );
    }),
  );
}
