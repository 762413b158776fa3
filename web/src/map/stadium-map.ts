// The stadium on a canvas: owns the renderer, the layers, the camera and the frame loop. It knows
// nothing of the UI: it receives states, marks and filters, and reports taps.

import 'pixi.js/unsafe-eval';
import { Container, Ticker, WebGLRenderer } from 'pixi.js';
import type { SeatStates } from '../venue/seat-states';
import { SeatFinder } from '../venue/seat-finder';
import { boxOfPoints } from '../venue/plan-parts';
import type { SeatTable } from '../venue/seat-table';
import { BlockLayer } from './block-layer';
import { Camera, reducedMotion, type View } from './camera';
import { FrameLoop } from './frame-loop';
import { Gestures } from './gestures';
import { LabelLayer } from './label-layer';
import { readMapColors, type MapColors } from './map-colors';
import { SeatLayer } from './seat-layer';
import { MARK_DIMMED, MARK_HOVERED, MARK_MINE, MARK_SELECTED } from './seat-shader';
import { drawing } from './web-gl';

export interface MapHandlers {
  onSeat: (seat: number) => void;
  /** A click on an area without seats. */
  onArea: (block: number) => void;
  onHover: (seat: number, x: number, y: number) => void;
  /** The block in the middle of the screen at a large scale, else null. */
  onPlace: (block: number | null) => void;
}

/** Scales (pixels per metre) between which blocks fade out and seats fade in. */
const SEATS_FROM = 6;
const SEATS_FULL = 9;
const NUMBERS_FROM = 30;
const NUMBERS_FULL = 38;
/** Below these scales a seat is too small for a mouse or a finger, so a tap zooms in instead. */
const CLICK_SEAT_FROM = 16;
const TOUCH_SEAT_FROM = 40;
/** A tap on a seat that is too small zooms to this scale, at which a seat is as wide as a fingertip. */
const TOUCH_SCALE = 60;
const COUNT_INTERVAL_MS = 250;
/** Without a graphics card each pixel costs processor time, so a moving map has fewer pixels than one at rest. */
const COARSE_RESOLUTION = 0.6;
const SHARPEN_PAUSE_MS = 150;
/** Interval at which changes are drawn if drawing is expensive. */
const MODEST_INTERVAL_MS = 180;

/** What belongs to one floor of the plan. It is made when the floor is first shown. */
interface FloorLayers {
  id: number;
  blocks: BlockLayer;
  labels: LabelLayer;
  finder: SeatFinder;
}

export class StadiumMap {
  readonly camera: Camera;
  private readonly renderer = new WebGLRenderer();
  private readonly stage = new Container();
  private readonly world = new Container();
  /** Below and above the seats. They have the layers of the floor. */
  private readonly below = new Container();
  private readonly above = new Container();
  private readonly seats: SeatLayer;
  private readonly floors = new Map<number, FloorLayers>();
  private floor: FloorLayers;
  private readonly gestures: Gestures;
  private readonly observer: ResizeObserver;
  private readonly unsubscribe: () => void;
  private colors: MapColors;
  private shownGrades: (grade: number) => boolean = () => true;
  private readonly modest = drawing() !== 'full' || reducedMotion();
  private readonly coarse = drawing() === 'software';
  private movedAt = -Infinity;
  private lastView: View = { x: 0, y: 0, scale: 0 };
  private hovered = -1;
  private nameOf = (name: string) => name;
  private markedAreas: ReadonlySet<number> = new Set();
  /** The position of the mouse. The seat under it changes when the map flies. */
  private pointer: { x: number; y: number } | null = null;
  private flew = false;
  private marks = { selected: new Set<number>(), mine: new Set<number>() };
  private readonly frames = new FrameLoop((now) => this.drawNow(now));
  private countedAt = -Infinity;
  private countsStale = true;
  private paintedNear = -1;
  private placeReported: number | null = null;

  static async create(
    canvas: HTMLCanvasElement,
    table: SeatTable,
    states: SeatStates,
    floor: number,
    handlers: MapHandlers,
  ): Promise<StadiumMap> {
    const map = new StadiumMap(canvas, table, states, floor, handlers);
    const full = drawing() === 'full';
    await map.renderer.init({
      canvas,
      antialias: full,
      resolution: full ? Math.min(2, window.devicePixelRatio || 1) : 1,
      autoDensity: true,
      background: map.colors.ground,
      clearBeforeRender: true,
      preferWebGLVersion: 2,
      // The map has gestures of its own.
      eventFeatures: { move: false, globalMove: false, click: false, wheel: false },
      accessibilityOptions: { activateOnTab: false },
    });
    // Otherwise Pixi's ticker would request 60 frames a second for ever, only to check for clean-up work.
    Ticker.system.autoStart = false;
    Ticker.system.stop();
    map.resize();
    map.camera.set(map.camera.whole());
    map.observer.observe(canvas.parentElement ?? canvas);
    return map;
  }

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly table: SeatTable,
    private readonly states: SeatStates,
    floor: number,
    private readonly handlers: MapHandlers,
  ) {
    this.colors = readMapColors();
    const letters = table.names.reduce((most, { length }) => Math.max(most, length), 0);
    this.camera = new Camera(table.boundsOf(floor), letters, () => this.frames.request());
    this.seats = new SeatLayer(table, states.codes);
    this.world.addChild(this.below, this.seats.root);
    this.stage.addChild(this.world, this.above);
    this.floor = this.layersOf(floor);
    this.below.addChild(this.floor.blocks.root);
    this.above.addChild(this.floor.labels.root);
    this.applyColors();
    this.unsubscribe = states.subscribe((changed, snapshot) => {
      this.seats.changed(changed, !snapshot && !this.modest);
      this.countsStale = true;
      // At a small scale only the counts are visible, and these may be late.
      if (this.camera.scale <= SEATS_FROM) this.frames.requestWithin(COUNT_INTERVAL_MS);
      else if (this.modest) this.frames.requestWithin(MODEST_INTERVAL_MS);
      else this.frames.request();
    });
    this.gestures = new Gestures(canvas, this.camera, {
      onTap: (x, y, touch) => this.tap(x, y, touch),
      onZoom: (factor) => this.zoomBy(factor),
      onDoubleTap: (x, y) => this.camera.flyZoomAt(x, y, 2.6),
      onHover: (x, y) => {
        this.pointer = { x, y };
        this.hover(x, y);
      },
      onLeave: () => {
        this.pointer = null;
        this.setHovered(-1, 0, 0);
      },
    });
    this.observer = new ResizeObserver(() => this.resize());
  }

  destroy(): void {
    this.frames.stop();
    this.observer.disconnect();
    this.gestures.destroy();
    this.unsubscribe();
    this.stage.destroy({ children: true });
    this.floors.delete(this.floor.id);
    for (const { blocks, labels } of this.floors.values()) {
      blocks.root.destroy({ children: true });
      labels.root.destroy({ children: true });
    }
    this.renderer.destroy();
  }

  /** Shows another floor. */
  showFloor(id: number): void {
    if (id === this.floor.id) return;
    this.floor = this.layersOf(id);
    this.below.removeChildren();
    this.above.removeChildren();
    this.below.addChild(this.floor.blocks.root);
    this.above.addChild(this.floor.labels.root);
    this.setHovered(-1, 0, 0);
    this.repaint();
    this.camera.enter(this.table.boundsOf(id));
  }

  /** Writes the names of blocks in the language of the page. */
  setNames(nameOf: (name: string) => string): void {
    this.nameOf = nameOf;
    for (const { labels } of this.floors.values()) labels.setNames(nameOf);
    this.frames.request();
  }

  /** Marks the areas in which the fan has places. */
  setMarkedAreas(blocks: ReadonlySet<number>): void {
    this.markedAreas = blocks;
    for (const floor of this.floors.values()) floor.blocks.setMarked(blocks);
    this.frames.request();
  }

  private layersOf(id: number): FloorLayers {
    const known = this.floors.get(id);
    if (known) return known;
    const layers = {
      id,
      blocks: new BlockLayer(this.table, id, () => this.frames.request()),
      labels: new LabelLayer(this.table, id),
      finder: new SeatFinder(this.table, id),
    };
    layers.blocks.setColors(this.colors);
    layers.blocks.setMarked(this.markedAreas);
    layers.labels.setColors(this.colors);
    layers.labels.setNames(this.nameOf);
    this.floors.set(id, layers);
    return layers;
  }

  /** Colours and counts of the blocks are drawn in the next frame. */
  private repaint(): void {
    this.countsStale = true;
    this.countedAt = -Infinity;
    this.paintedNear = -1;
    this.frames.request();
  }

  setMarks(selected: Iterable<number>, mine: Iterable<number>): void {
    const next = { selected: new Set(selected), mine: new Set(mine) };
    this.remark(this.marks.selected, next.selected, MARK_SELECTED);
    this.remark(this.marks.mine, next.mine, MARK_MINE);
    this.marks = next;
    this.frames.request();
  }

  setShownGrades(shown: (grade: number) => boolean): void {
    const before = this.shownGrades;
    this.shownGrades = shown;
    const changed = this.table.grades.map((_, grade) => shown(grade) !== before(grade));
    for (const run of this.table.runs) {
      if (!changed[run.grade]) continue;
      const dimmed = !shown(run.grade);
      for (let seat = run.firstSeat; seat < run.firstSeat + run.seats; seat += 1) {
        this.seats.setMark(seat, MARK_DIMMED, dimmed);
      }
    }
    this.countsStale = true;
    this.frames.request();
  }

  /** Reads the colours again after a change of the theme. */
  applyColors(): void {
    this.colors = readMapColors();
    if (this.renderer.background) this.renderer.background.color = this.colors.ground;
    this.seats.setColors(this.colors);
    for (const floor of this.floors.values()) {
      floor.blocks.setColors(this.colors);
      floor.labels.setColors(this.colors);
    }
    this.repaint();
  }

  /** Zooms by buttons and keyboard. They have no pointer, so this zooms towards seats, not to the field. */
  zoomBy(factor: number): void {
    const { x, y, scale } = this.camera;
    const nearest = factor > 1 ? this.floor.finder.nearestBlock(x, y) : null;
    const to = nearest ? { x: nearest.centre[0], y: nearest.centre[1] } : { x, y };
    this.camera.flyTo({ ...to, scale: scale * factor });
  }

  showWhole(): void {
    this.camera.flyTo(this.camera.whole());
  }

  showBlock(block: number): void {
    const view = this.camera.fit(this.table.boxOf(this.table.blocks[block]));
    // Even for a large block, its seats must be large enough to tap at the end.
    this.camera.flyTo({ ...view, scale: Math.max(view.scale, CLICK_SEAT_FROM + 1) });
  }

  showSeats(seats: number[]): void {
    if (seats.length === 0) return;
    const points = seats.map((seat): [number, number] => [this.table.x[seat], this.table.y[seat]]);
    const view = this.camera.fit(boxOfPoints(points));
    this.camera.flyTo({ ...view, scale: Math.min(view.scale, NUMBERS_FULL) });
  }

  private remark(before: Set<number>, after: Set<number>, mark: number): void {
    for (const seat of before) if (!after.has(seat)) this.seats.setMark(seat, mark, false);
    for (const seat of after) if (!before.has(seat)) this.seats.setMark(seat, mark, true);
  }

  private tap(x: number, y: number, touch: boolean): void {
    const at = this.camera.toPlan(x, y);
    const { scale } = this.camera;
    const { finder, blocks } = this.floor;
    const isLarge = scale >= (touch ? TOUCH_SEAT_FROM : CLICK_SEAT_FROM);
    const seat = isLarge ? finder.seatAt(at.x, at.y, touch ? 0.6 : 0.4) : -1;
    const block = finder.blockAt(at.x, at.y);
    if (!isLarge) blocks.showHover(null);
    if (seat >= 0) this.handlers.onSeat(seat);
    else if (block?.isArea) this.handlers.onArea(block.index);
    else if (isLarge) return;
    else if (scale >= SEATS_FULL && touch) {
      if (finder.blockNear(at.x, at.y) !== null) this.camera.flyTo({ ...at, scale: TOUCH_SCALE });
    } else if (block) this.showBlock(block.index);
  }

  private hover(x: number, y: number): void {
    // During a flight seats move under the pointer. A seat is named only when a click would choose it.
    if (this.camera.flying) {
      this.setHovered(-1, x, y);
      return;
    }
    const at = this.camera.toPlan(x, y);
    if (this.camera.scale >= SEATS_FULL) {
      this.floor.blocks.showHover(null);
      this.setHovered(this.floor.finder.seatAt(at.x, at.y, 0.4), x, y);
      if (this.hovered < 0 && this.floor.finder.blockAt(at.x, at.y)?.isArea) this.canvas.style.cursor = 'pointer';
      return;
    }
    this.setHovered(-1, x, y);
    const block = this.floor.finder.blockAt(at.x, at.y);
    this.canvas.style.cursor = block ? 'pointer' : 'grab';
    this.floor.blocks.showHover(block?.index ?? null, 1 / this.camera.scale);
    this.frames.request();
  }

  private setHovered(seat: number, x: number, y: number): void {
    this.handlers.onHover(seat, x, y);
    if (seat === this.hovered) return;
    // Seats that are sold together light up together.
    const unit = (of: number) => (of < 0 ? [] : this.table.unitOf(of));
    for (const other of unit(this.hovered)) this.seats.setMark(other, MARK_HOVERED, false);
    for (const other of unit(seat)) this.seats.setMark(other, MARK_HOVERED, true);
    this.canvas.style.cursor = seat >= 0 ? 'pointer' : 'grab';
    this.hovered = seat;
    this.frames.request();
  }

  private resize(): void {
    const box = (this.canvas.parentElement ?? this.canvas).getBoundingClientRect();
    if (box.width === 0 || box.height === 0) return;
    this.renderer.resize(box.width, box.height);
    this.camera.resize(box.width, box.height);
  }

  private drawNow(now: number): void {
    const { camera } = this;
    camera.advance(now);
    if (this.flew && !camera.flying && this.pointer) this.hover(this.pointer.x, this.pointer.y);
    this.flew = camera.flying;
    const near = ramp(camera.scale, SEATS_FROM, SEATS_FULL);
    if (this.coarse) this.sharpen(now);
    this.paintBlocks(now, near);
    this.floor.blocks.prepare(1 / camera.scale);
    this.world.scale.set(camera.scale);
    this.world.position.set(
      camera.width / 2 - camera.x * camera.scale,
      camera.height / 2 - camera.y * camera.scale,
    );
    this.seats.prepare(camera, this.floor.id, near, ramp(camera.scale, NUMBERS_FROM, NUMBERS_FULL));
    this.floor.labels.place(camera, near);
    this.renderer.render({ container: this.stage });
    this.reportPlace(near);
    if (camera.flying || (near > 0 && this.seats.glowing)) this.frames.request();
    else if (this.countsStale) this.frames.requestWithin(COUNT_INTERVAL_MS);
  }

  private sharpen(now: number): void {
    const { x, y, scale, width, height } = this.camera;
    const last = this.lastView;
    if (x !== last.x || y !== last.y || scale !== last.scale) this.movedAt = now;
    this.lastView = { x, y, scale };
    const rests = now - this.movedAt >= SHARPEN_PAUSE_MS;
    if (!rests) this.frames.requestWithin(SHARPEN_PAUSE_MS);
    const resolution = rests ? 1 : COARSE_RESOLUTION;
    if (this.renderer.resolution !== resolution) this.renderer.resize(width, height, resolution);
  }

  private reportPlace(near: number): void {
    const { x, y } = this.camera;
    const place = near < 1 ? null : this.floor.finder.blockNear(x, y);
    if (place === this.placeReported) return;
    this.placeReported = place;
    this.handlers.onPlace(place);
  }

  /** Counts are text and colours of large shapes, so a few updates per second look live. */
  private paintBlocks(now: number, near: number): void {
    const due = this.countsStale && now - this.countedAt >= COUNT_INTERVAL_MS;
    if (!due && near === this.paintedNear) return;
    this.floor.blocks.paint(this.states.freeInBlock, this.shownGrades, near);
    this.paintedNear = near;
    if (!due) return;
    this.floor.labels.setCounts(this.states, this.floor.blocks.inks);
    this.countedAt = now;
    this.countsStale = false;
  }
}

function ramp(value: number, from: number, to: number): number {
  return Math.min(1, Math.max(0, (value - from) / (to - from)));
}
