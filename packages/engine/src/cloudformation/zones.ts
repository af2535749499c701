/** Availability zones of a region, as `Fn::GetAZs` and EC2 report them: three, which every region has. */
export function availabilityZones(region: string): string[] {
  return ['a', 'b', 'c'].map((letter) => `${region}${letter}`);
}
