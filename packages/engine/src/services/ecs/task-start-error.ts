/** Why a task could not be started; the message becomes its `stoppedReason`. */
export class TaskStartError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TaskStartError';
  }
}
