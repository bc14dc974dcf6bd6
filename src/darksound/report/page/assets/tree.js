// The tree of the page: its leaves are clusters or parts of them, its merges join two nodes.

export class Tree {
  // merges: [a, b, height], the lowest first; nodes are the leaves, then the merges.
  constructor(leaves, merges, clusterOfLeaf) {
    this.leaves = leaves;
    this.merges = merges;
    this.clusterOfLeaf = clusterOfLeaf;
    // The number of groups that the run has.
    this.ownSize = new Set(clusterOfLeaf).size;
  }

  // Return the node of each leaf in the cut into `size` groups; the largest or smallest possible.
  cut(size) {
    const done = Math.min(Math.max(this.leaves - size, 0), this.merges.length);
    const top = Int32Array.from({ length: this.leaves + done }, (_, node) => node);
    for (let i = 0; i < done; i++) {
      const [a, b] = this.merges[i];
      top[a] = top[b] = this.leaves + i;
    }
    // Parents have higher numbers than their children, so theirs is known first.
    for (let node = top.length - 1; node >= 0; node--) top[node] = top[top[node]];
    return top.slice(0, this.leaves);
  }

  // Return the leaves below a node, the children of each merge in their order.
  leavesOf(node) {
    const found = [];
    const stack = [node];
    while (stack.length) {
      const next = stack.pop();
      if (next < this.leaves) found.push(next);
      else {
        const [a, b] = this.merges[next - this.leaves];
        stack.push(b, a);
      }
    }
    return found;
  }

  // Return the leaves in an order in which no lines of a dendrogram cross: the tree's own, and
  // leaves that are never joined at the end.
  order() {
    const isChild = new Uint8Array(this.leaves + this.merges.length);
    for (const [a, b] of this.merges) isChild[a] = isChild[b] = 1;
    const roots = [];
    for (let node = isChild.length - 1; node >= 0; node--) if (!isChild[node]) roots.push(node);
    return roots.flatMap((root) => this.leavesOf(root));
  }

  // Return the lines of a dendrogram of the nodes of a cut: `rows`, the nodes from top to bottom,
  // and `joins`, each with the positions of both children and the heights of all three nodes.
  dendrogram(size) {
    const nodeOf = this.cut(size);
    const rows = [...new Set(this.order().map((leaf) => nodeOf[leaf]))];
    const positions = new Map(rows.map((node, i) => [node, i]));
    const heightOf = (node) =>
      rows.includes(node) || node < this.leaves ? 0 : this.merges[node - this.leaves][2];
    const joins = [];
    for (let i = Math.max(this.leaves - size, 0); i < this.merges.length; i++) {
      const [a, b, height] = this.merges[i];
      const [first, second] = [positions.get(a), positions.get(b)];
      joins.push({ first, second, height, heights: [heightOf(a), heightOf(b)] });
      positions.set(this.leaves + i, (first + second) / 2);
    }
    return { rows, joins };
  }
}

// Return the leaves of a branch in the cut into `size` parts, the part with the most ROIs first.
export function cutBranch(tree, leaves, size, sizeOfLeaf) {
  const partOf = new Map(leaves.map((leaf) => [leaf, [leaf]]));
  let n = leaves.length;
  for (let i = 0; i < tree.merges.length; i++) {
    const [a, b] = tree.merges[i];
    const [first, second] = [partOf.get(a), partOf.get(b)];
    partOf.delete(a);
    partOf.delete(b);
    if (!first && !second) continue;
    if (first && second && n <= size) {
      partOf.set(a, first);
      partOf.set(b, second);
      break;
    }
    if (first && second) n--;
    partOf.set(tree.leaves + i, [...(first ?? []), ...(second ?? [])]);
  }
  const total = (part) => part.reduce((sum, leaf) => sum + sizeOfLeaf(leaf), 0);
  return [...partOf.values()].sort((a, b) => total(b) - total(a));
}
