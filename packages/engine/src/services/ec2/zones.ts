import { availabilityZones } from '../../cloudformation/zones.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { selected } from './selection.ts';

/** The region and its zones. */
export function zoneOperations(engine: Engine) {
  const zones = availabilityZones(engine.region).map((id, index) => ({
    id,
    zoneId: `${engine.region}-az${index + 1}`,
    tags: [],
  }));

  return {
    DescribeRegions: {
      run: (input) => ({
        Regions: selected([{ id: engine.region, tags: [] }], {
          ids: input.RegionNames,
          unknownId: 'InvalidParameterValue',
          filters: input.Filters,
          fields: {
            'region-name': ({ id }) => id,
            'opt-in-status': () => 'opt-in-not-required',
          },
        }).map(({ id }) => ({
          RegionName: id,
          Endpoint: `ec2.${id}.amazonaws.com`,
          OptInStatus: 'opt-in-not-required',
        })),
      }),
    },
    DescribeAvailabilityZones: {
      run: (input) => ({
        AvailabilityZones: selected(zones, {
          ids: input.ZoneNames,
          unknownId: 'InvalidParameterValue',
          filters: input.Filters,
          fields: {
            'zone-name': ({ id }) => id,
            'zone-id': ({ zoneId }) => zoneId,
            'zone-type': () => 'availability-zone',
            'region-name': () => engine.region,
            'opt-in-status': () => 'opt-in-not-required',
            state: () => 'available',
          },
        }).map(({ id, zoneId }) => ({
          ZoneName: id,
          ZoneId: zoneId,
          RegionName: engine.region,
          ZoneType: 'availability-zone',
          State: 'available' as const,
          OptInStatus: 'opt-in-not-required' as const,
        })),
      }),
    },
  } satisfies OperationTable<'ec2'>;
}
