import { type EChartsOption, init, type SeriesOption } from 'echarts';
import type { DrawnBars, DrawnChart, DrawnLines, DrawnParts } from './chart-data.js';
import type { Role } from './chart.js';
import { formatCount, formatValue } from './format-value.js';

const WIDTH = 880;
const HEIGHT = 480;
const BAR_HEIGHT = 26;
// Without quotation marks, which would end the attribute that they are written into.
const FONT = 'system-ui, -apple-system, Helvetica, Arial, DejaVu Sans, sans-serif';
const TEXT = '#24292f';
const QUIET_TEXT = '#59636e';
const GRID = '#e4e7eb';
/** One accent for Rollcall; peers are told apart by greys, dashes and symbols, and by the labels at their lines. */
const ACCENT = '#0b62c4';
const GREYS = ['#4d5560', '#7b838d', '#9aa1aa', '#626a75', '#8a929c', '#b0b6be'];
const LIMIT = '#111418';
const DASHES = ['solid', 'dashed', 'dotted'] as const;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect'];
/** From dark to light, the parts of a whole. */
const PARTS = ['#08376b', '#0b62c4', '#4f94e0', '#93bdec', '#c9def6', '#e8f1fb'];

/** A chart as SVG with a background of its own, so that it reads on light and dark pages. */
export function renderSvg(chart: DrawnChart): string {
  const height = heightOf(chart);
  const canvas = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    canvas.setOption({ ...frame(chart), ...optionOf(chart) });
    return `${canvas.renderToSVGString()}\n`;
  } finally {
    canvas.dispose();
  }
}

function optionOf(chart: DrawnChart): EChartsOption {
  switch (chart.kind) {
    case 'lines':
      return lines(chart);
    case 'bars':
      return bars(chart);
    case 'parts':
      return parts(chart);
  }
}

function heightOf(chart: DrawnChart): number {
  if (chart.kind === 'lines') return HEIGHT;
  const count = chart.kind === 'parts' ? 2 * chart.bars.length : chart.groups.flatMap((group) => group.bars).length;
  const gaps = chart.kind === 'parts' ? 2 : count > chart.groups.length ? chart.groups.length : 0;
  return Math.round(150 + (count + gaps) * BAR_HEIGHT);
}

function frame({ title, of, axis }: DrawnChart): EChartsOption {
  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT, color: TEXT },
    title: {
      text: title,
      subtext: `${axis}; ${of}`,
      left: 20,
      top: 14,
      textStyle: { fontSize: 18, fontWeight: 600, color: TEXT },
      subtextStyle: { fontSize: 13, color: QUIET_TEXT },
    },
  };
}

function lines({ series, xAxis, isXLog, axis }: DrawnLines): EChartsOption {
  const xs = series.flatMap(({ points }) => points.map(([x]) => x));
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const axisText = { color: QUIET_TEXT, fontSize: 12 };
  return {
    grid: { left: 84, right: 250, top: 84, bottom: 56 },
    xAxis: {
      type: isXLog ? 'log' : 'value',
      name: xAxis,
      nameLocation: 'middle',
      nameGap: 34,
      nameTextStyle: axisText,
      min: Math.min(...xs),
      max: Math.max(...xs),
      axisLabel: { ...axisText, formatter: shortNumber },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: GRID } },
      splitLine: { lineStyle: { color: GRID } },
    },
    yAxis: {
      type: 'log',
      name: axis,
      nameLocation: 'middle',
      nameGap: 62,
      nameTextStyle: axisText,
      min: 10 ** Math.floor(Math.log10(Math.min(...ys))),
      max: 10 ** Math.ceil(Math.log10(Math.max(...ys))),
      axisLabel: { ...axisText, formatter: shortNumber },
      splitLine: { lineStyle: { color: GRID } },
    },
    series: series.map(({ label, role, points }, index): SeriesOption => {
      const color = colorOf(role, index);
      return {
        type: 'line',
        name: label,
        data: points.map(([x, y]) => [x, y]),
        symbol: role === 'rollcall' ? 'circle' : (SYMBOLS[index % SYMBOLS.length] ?? 'circle'),
        symbolSize: role === 'rollcall' ? 9 : 7,
        z: role === 'rollcall' ? 3 : 2,
        itemStyle: { color },
        lineStyle: { color, width: role === 'rollcall' ? 3.5 : 1.8, type: dashOf(role, index) },
        endLabel: {
          show: true,
          distance: 10,
          color: textColorOf(role),
          fontSize: 12.5,
          fontWeight: role === 'rollcall' ? 700 : 400,
          formatter: `{a}: ${formatValue(points.at(-1)?.[1] ?? Number.NaN)}`,
        },
        labelLayout: { moveOverlap: 'shiftY' },
      };
    }),
  };
}

/** One bar below the other, the first on top, each with its name and value beside it. */
function bars({ groups }: DrawnBars): EChartsOption {
  const isGrouped = groups.some((group) => group.bars.length > 1);
  const rows = groups.flatMap((group, index) => [
    ...(index === 0 || !isGrouped ? [] : [undefined]),
    ...group.bars.map((bar, position) => ({ ...bar, group: position === 0 ? group.label : '', position })),
  ]);
  return {
    grid: { left: 260, right: isGrouped ? 260 : 80, top: 84, bottom: 40 },
    xAxis: {
      type: 'value',
      axisLabel: { color: QUIET_TEXT, formatter: shortNumber },
      splitLine: { lineStyle: { color: GRID } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map((row) => row?.group ?? ''),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: QUIET_TEXT } },
      axisLabel: { color: TEXT, fontSize: 12.5, interval: 0 },
    },
    series: [
      {
        type: 'bar',
        barWidth: '78%',
        data: rows.map((row) =>
          row === undefined
            ? { value: 0, label: { show: false } }
            : {
                value: row.value,
                itemStyle: barStyleOf(row.role, row.position),
                label: {
                  show: true,
                  position: 'right',
                  color: textColorOf(row.role),
                  fontWeight: row.role === 'rollcall' ? 700 : 400,
                  formatter: `${row.label === '' ? '' : `${row.label}: `}${formatValue(row.value)}`,
                },
              },
        ),
      },
    ],
  };
}

function parts({ bars: rows, parts: names }: DrawnParts): EChartsOption {
  return {
    grid: { left: 90, right: 60, top: 110, bottom: 40 },
    legend: {
      top: 70,
      left: 20,
      textStyle: { color: TEXT, fontSize: 12.5 },
      itemWidth: 14,
      itemHeight: 14,
      itemGap: 26,
    },
    xAxis: {
      type: 'value',
      axisLabel: { color: QUIET_TEXT, formatter: shortNumber },
      splitLine: { lineStyle: { color: GRID } },
    },
    yAxis: { type: 'category', inverse: true, data: rows.map(({ label }) => label), axisTick: { show: false } },
    series: names.map((name, index) => ({
      type: 'bar',
      stack: 'whole',
      name,
      itemStyle: { color: PARTS[index % PARTS.length] ?? ACCENT, borderColor: '#ffffff', borderWidth: 1 },
      label: {
        show: true,
        color: index < 3 ? '#ffffff' : TEXT,
        formatter: ({ value }: { value?: unknown }) =>
          typeof value === 'number' ? formatValue(Math.round(value)) : '',
      },
      labelLayout: { hideOverlap: true },
      data: rows.map(({ values }) => values[index] ?? 0),
    })),
  };
}

function colorOf(role: Role, index: number): string {
  if (role === 'rollcall') return ACCENT;
  return role === 'limit' ? LIMIT : (GREYS[index % GREYS.length] ?? LIMIT);
}

function textColorOf(role: Role): string {
  return role === 'rollcall' ? ACCENT : TEXT;
}

/** A limit is an outline, so that it does not draw the eye from what is measured against it. */
function barStyleOf(role: Role, index: number): { color: string; borderColor?: string; borderType?: 'dashed' } {
  if (role === 'limit') return { color: '#ffffff', borderColor: LIMIT, borderType: 'dashed' };
  return { color: colorOf(role, index) };
}

function dashOf(role: Role, index: number): (typeof DASHES)[number] {
  if (role === 'rollcall') return 'solid';
  return role === 'limit' ? 'dotted' : (DASHES[index % DASHES.length] ?? 'solid');
}

function shortNumber(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000} M`;
  return value >= 1_000 ? formatCount(value) : String(Number(value.toPrecision(3)));
}
