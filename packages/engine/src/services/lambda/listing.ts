import { invalidParameter } from './function-settings.ts';

const PAGE_MAX = 50;

export function invalidMarker() {
  return invalidParameter('Marker: not a marker of this listing.');
}

export function pageSize(maxItems: number | undefined): number {
  return Math.min(maxItems ?? PAGE_MAX, PAGE_MAX);
}
