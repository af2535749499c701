import { pager } from '../../dispatch/paging.ts';
import { AwsFault } from '../../errors.ts';

/** One page of a list, of at most 100 items. */
export const page = pager({
  largest: 100,
  usual: 100,
  invalidToken: () =>
    new AwsFault('InvalidParameterException', 'Invalid token: it must be the nextToken of an earlier reply.'),
});
