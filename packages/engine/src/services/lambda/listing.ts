import { invalidParameter } from './function-settings.ts';

const MAX_PAGE = 50;

export function invalidMarker() {
  return invalidParameter('Marker: not a marker of this listing.');
}

export function pageSize(maxItems: number | undefined): number {
  return Math.min(maxItems ?? MAX_PAGE, MAX_PAGE);
}
