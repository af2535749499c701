import type { Cell } from '../judge/block.ts';
import { Clumping } from '../judge/clumping.ts';
import { reportMs } from '../measurement/line.ts';
import type { Scene } from './scene.ts';

/** What stable's warm tasks had to do, and how it went. Messages are first deliveries that finished. */
export interface Traffic {
  /** Of all of stable's tasks together: on average, and in the quietest tenth of the windows. */
  readonly messagesPerSecond: number;
  readonly quietMessagesPerSecond: number;
  readonly failureRate: number;
  /** How many messages fail together; 1 where each fails by itself. */
  readonly clumping: number;
}

/** Learns how much there is to do. */
export class Traffics {
  readonly #clumping = new Clumping();
  readonly #rates: number[] = [];
  #units = 0;
  #failed = 0;
  #taskSeconds = 0;

  /** Takes the intervals of a window from the given one on. */
  observe(scene: Scene, fromMs: number, warmUpMs: number): void {
    let [units, failed, taskSeconds] = [0, 0, 0];
    for (let index = fromMs / reportMs - scene.first; index < scene.end - scene.first; index += 1) {
      const cells: Cell[] = [];
      for (const its of scene.cells.values()) {
        const cell = its[index];
        if (cell === undefined || cell.ageMs < warmUpMs) continue;
        cells.push(cell);
        units += cell.finished;
        failed += cell.failed;
        taskSeconds += reportMs / 1000;
      }
      this.#clumping.observe(cells);
    }
    if (taskSeconds === 0) return;
    this.#rates.push(units / taskSeconds);
    this.#units += units;
    this.#failed += failed;
    this.#taskSeconds += taskSeconds;
  }

  /** @param tasksAtOnce how many tasks share the work. */
  result(tasksAtOnce: number): Traffic {
    const rates = this.#rates.sort((a, b) => a - b);
    return {
      messagesPerSecond: this.#taskSeconds === 0 ? 0 : (this.#units / this.#taskSeconds) * tasksAtOnce,
      quietMessagesPerSecond: (rates[Math.floor(rates.length / 10)] ?? 0) * tasksAtOnce,
      failureRate: this.#units === 0 ? 0 : this.#failed / this.#units,
      clumping: this.#clumping.factor,
    };
  }
}
