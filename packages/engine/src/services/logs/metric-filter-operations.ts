import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { parseJsonPath } from '../../json-path.ts';
import { invalid, unsupported } from './faults.ts';
import { parseFilterPattern } from './filter-pattern.ts';
import { limitOf } from './group-operations.ts';
import { checkedArn } from './log-arn.ts';
import type { LogStore } from './log-store.ts';
import type { MetricFilter, MetricFilters, MetricTransformation } from './metric-filters.ts';
import { isUnit } from './units.ts';

const FILTERS_MAX = 100;
const FILTERS_PAGE = 50;
const DIMENSIONS_MAX = 3;

interface GivenTransformation {
  readonly metricName?: string | undefined;
  readonly metricNamespace?: string | undefined;
  readonly metricValue?: string | undefined;
  readonly defaultValue?: number | undefined;
  readonly dimensions?: Record<string, string> | undefined;
  readonly unit?: string | undefined;
}

/** Operations on metric filters. */
export function metricFilterOperations(engine: Engine, store: LogStore, filters: MetricFilters) {
  const resources = (input: { logGroupName?: string | undefined }) => [
    checkedArn(engine, input.logGroupName),
  ];
  const shown = ({ groupName, name, pattern, createdAtMs, transformation }: MetricFilter) => ({
    logGroupName: groupName,
    filterName: name,
    filterPattern: pattern,
    creationTime: createdAtMs,
    metricTransformations: [{ ...transformation, dimensions: { ...transformation.dimensions } }],
  });

  return {
    PutMetricFilter: {
      resources,
      run: (input, { atMs }) => {
        const { logGroupName: groupName = '', filterName: name = '', filterPattern: pattern = '' } = input;
        store.findGroup(groupName);
        if (!/^[^:*]{1,512}$/.test(name)) {
          throw invalid('filterName must have 1 to 512 characters other than colon and asterisk.');
        }
        if (input.applyOnTransformedLogs) throw unsupported('applyOnTransformedLogs');
        if (input.fieldSelectionCriteria !== undefined) throw unsupported('fieldSelectionCriteria');
        if (input.emitSystemFieldDimensions !== undefined) throw unsupported('emitSystemFieldDimensions');
        const [given, another] = input.metricTransformations ?? [];
        if (!given || another) throw invalid('A metric filter must have exactly one metricTransformation.');
        parseFilterPattern(pattern);
        const existing = filters.of(groupName);
        if (existing.length >= FILTERS_MAX && !existing.some((filter) => filter.name === name)) {
          throw new AwsFault('LimitExceededException', 'Resource limit exceeded.');
        }
        filters.put({
          groupName,
          name,
          pattern,
          createdAtMs: atMs,
          transformation: transformationOf(given, pattern.trim().startsWith('{')),
        });
        return {};
      },
    },
    DeleteMetricFilter: {
      resources,
      run: (input) => {
        store.findGroup(input.logGroupName);
        if (!filters.drop(input.logGroupName ?? '', input.filterName ?? '')) {
          throw new AwsFault('ResourceNotFoundException', 'The specified metric filter does not exist.');
        }
        return {};
      },
    },
    DescribeMetricFilters: {
      resources,
      run: (input) => {
        const { logGroupName, filterNamePrefix = '', metricName, metricNamespace } = input;
        if (logGroupName !== undefined) store.findGroup(logGroupName);
        if ((metricName === undefined) !== (metricNamespace === undefined)) {
          throw invalid('metricName and metricNamespace must be given together.');
        }
        const matching = (logGroupName === undefined ? filters.all() : filters.of(logGroupName)).filter(
          ({ name, transformation }) =>
            name.startsWith(filterNamePrefix) &&
            (metricName === undefined || transformation.metricName === metricName) &&
            (metricNamespace === undefined || transformation.metricNamespace === metricNamespace),
        );
        const { items, next } = page(matching, input.nextToken, limitOf(input.limit, FILTERS_PAGE), () =>
          invalid('The specified nextToken is invalid.'),
        );
        return { metricFilters: items.map(shown), ...(next === undefined ? {} : { nextToken: next }) };
      },
    },
    TestMetricFilter: {
      run: (input) => {
        const matches = parseFilterPattern(input.filterPattern ?? '');
        return {
          matches: (input.logEventMessages ?? []).flatMap((eventMessage, index) =>
            matches(eventMessage) ? [{ eventNumber: index + 1, eventMessage }] : [],
          ),
        };
      },
    },
  } satisfies OperationTable<'logs'>;
}

function transformationOf(given: GivenTransformation, json: boolean): MetricTransformation {
  const { metricName = '', metricNamespace = '', metricValue = '', defaultValue, dimensions, unit } = given;
  for (const [field, value] of Object.entries({ metricName, metricNamespace })) {
    if (!/^[^:*$]{1,255}$/.test(value)) {
      throw invalid(`${field} must have 1 to 255 characters other than colon, asterisk and dollar.`);
    }
  }
  if (metricNamespace.startsWith('AWS/')) {
    throw invalid('metricNamespace must not begin with AWS/, which is reserved.');
  }
  const selectors = [
    ...(metricValue.startsWith('$') ? [metricValue] : []),
    ...Object.values(dimensions ?? {}),
  ];
  if (selectors.length > 0 && !json) {
    throw invalid('metricValue and dimensions can select properties only with a JSON filter pattern.');
  }
  const unknown = selectors.find((selector) => !parseJsonPath(selector));
  if (unknown !== undefined) throw invalid(`${unknown} is not the selector of a property, such as $.name.`);
  if (!metricValue.startsWith('$') && (metricValue.trim() === '' || !Number.isFinite(Number(metricValue)))) {
    throw invalid(`metricValue must be a number or a selector such as $.name, not "${metricValue}".`);
  }
  const names = Object.keys(dimensions ?? {});
  if (names.length > DIMENSIONS_MAX)
    throw invalid(`dimensions must not have more than ${DIMENSIONS_MAX} elements.`);
  if (names.length > 0 && defaultValue !== undefined) {
    throw invalid('defaultValue cannot be given with dimensions.');
  }
  if (unit !== undefined && !isUnit(unit)) throw invalid(`unit ${unit} is not one of CloudWatch's units.`);
  return {
    metricName,
    metricNamespace,
    metricValue,
    ...(defaultValue === undefined ? {} : { defaultValue }),
    ...(names.length === 0 ? {} : { dimensions: dimensions ?? {} }),
    ...(unit === undefined ? {} : { unit }),
  };
}
