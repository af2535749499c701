import { pager } from '../../dispatch/paging.ts';
import { AwsFault } from '../../errors.ts';

/** One page of a list: 100 items, or up to 1000 when asked for. */
export const page = pager({
  largest: 1000,
  usual: 100,
  invalidToken: () =>
    new AwsFault('InvalidParameterException', 'nextToken must be that of an earlier reply.'),
});
