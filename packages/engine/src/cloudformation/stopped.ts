/** Thrown inside an operation when the engine stops: nothing is recorded, and the next start goes on. */
export class Stopped extends Error {}
