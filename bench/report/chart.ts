/** A row of a table by its exact names. */
export interface RowName {
  readonly scenario: string;
  readonly what: string;
}

/** Rollcall's own, what a user would pick instead, or what nothing can be faster than. */
export type Role = 'rollcall' | 'peer' | 'limit';

export interface Named {
  readonly label: string;
  readonly role: Role;
}

interface ChartHead {
  /** Of the file, without an ending. */
  readonly name: string;
  readonly title: string;
  /** What the value axis shows, with its unit. */
  readonly axis: string;
}

/** A line for each row over the sizes of the dense worlds, both axes logarithmic. */
export interface ChartBySize extends ChartHead {
  readonly kind: 'by-size';
  readonly series: readonly (Named & { readonly row: RowName })[];
}

/** Lines over something else than the size, in the largest dense world that has every row. */
export interface ChartByNumber extends ChartHead {
  readonly kind: 'by-number';
  readonly xAxis: string;
  readonly isLog: boolean;
  readonly series: readonly (Named & { readonly points: readonly { readonly x: number; readonly row: RowName }[] })[];
}

/** Groups of bars, in the largest dense world that has every row. */
export interface ChartOfBars extends ChartHead {
  readonly kind: 'bars';
  readonly groups: readonly {
    readonly label: string;
    readonly bars: readonly (Named & { readonly row: RowName })[];
  }[];
}

/** A bar for each dense world that has every row, of parts that add up. */
export interface ChartOfParts extends ChartHead {
  readonly kind: 'parts';
  readonly parts: readonly { readonly label: string; readonly row: RowName }[];
}

/** The exponents of rows: against the identities, over the worlds; and those that a scenario measured itself. */
export interface ChartOfExponents extends ChartHead {
  readonly kind: 'exponents';
  readonly byIdentities: readonly (Named & { readonly row: RowName })[];
  readonly measured: readonly (Named & { readonly row: RowName })[];
}

export type Chart = ChartBySize | ChartByNumber | ChartOfBars | ChartOfParts | ChartOfExponents;
