"""Slow, obvious forms of the objectives: a clip and a token at a time, straight from formulas."""

import math

import torch

from vjepa_lib.objectives import halves


def pairs(index, grid):
    """(clip, slot of the token at t, slot at t + 1, token at t) of all pairs in context."""
    hw = grid.h * grid.w
    for b in range(len(index)):
        slot = {int(n): k for k, n in enumerate(index[b])}
        for n, k in slot.items():
            if n + hw in slot:
                yield b, k, slot[n + hw], n


def over_groups(batch, error):
    """Mean of `error(group)` (a list of tensors) in each group, then over groups that have any."""
    means = []
    for g in batch.groups:
        errors = error(g)
        if errors:
            means.append(torch.stack(errors).mean())
    return sum(means) / len(means)


def jepa(batch, term):
    return over_groups(
        batch,
        lambda g: [
            (batch.zhat[g][b, k] - batch.h[b, n]).abs()
            for b, row in enumerate(batch.target_index[g])
            for k, n in enumerate(row)
        ],
    )


def hw(batch, term):
    means = []
    for g in batch.groups:
        for b, row in enumerate(batch.target_index[g]):
            error = (batch.zhat[g][b] - batch.h[b, row]).abs()
            weight = torch.softmax(error.detach().mean(-1) / term.temperature, 0) * len(row)
            means.append((weight[:, None] * error).mean())
    return torch.stack(means).mean()


def context(batch, term):
    def error(g):
        out = []
        for b, row in enumerate(batch.context_index[g]):
            for k, n in enumerate(row):
                distance = min(
                    math.dist(place(int(n), batch.grid), place(int(m), batch.grid))
                    for m in batch.target_index[g][b]
                )
                out.append((batch.zhat_ctx[g][b, k] - batch.h[b, n]).abs() / distance**0.5)
        return out

    return over_groups(batch, error)


def place(n, grid):
    return n // (grid.h * grid.w), n // grid.w % grid.h, n % grid.w


def _step(grid):
    return grid.h * grid.w


def delta(batch, term):
    s = _step(batch.grid)
    h = batch.h.detach()
    return over_groups(
        batch,
        lambda g: [
            ((batch.z[g][b, j] - batch.z[g][b, k]) - (h[b, n + s] - h[b, n])).abs()
            for b, k, j, n in pairs(batch.context_index[g], batch.grid)
        ],
    )


def fwm_static(batch, term):
    def error(g):
        a, _ = halves(batch.z[g], batch.n_levels, term.form, term.ratio)
        return [
            (a[b, j] - a[b, k]).abs() for b, k, j, _ in pairs(batch.context_index[g], batch.grid)
        ]

    return over_groups(batch, error)


def fwm_orth(batch, term):
    means = []
    for z in batch.z:
        a, y = halves(z.flatten(0, 1), batch.n_levels, term.form, term.ratio)
        both = torch.cov(torch.cat([a, y], 1).T)
        means.append((both[: a.shape[1], a.shape[1] :] ** 2).mean())
    return sum(means) / len(means)


def ltc(batch, term):
    s = _step(batch.grid)
    h = batch.h.detach()

    def cos(x, y):
        return (x * y).sum() / (x.norm() * y.norm())

    return over_groups(
        batch,
        lambda g: [
            (0.5 - cos(batch.z[g][b, k], h[b, n]) + cos(batch.z[g][b, k], h[b, n + s])).clamp_min(0)
            for b, k, _, n in pairs(batch.context_index[g], batch.grid)
        ],
    )


def ld(batch, term):
    s = _step(batch.grid)
    h = batch.h.detach()

    def error(g):
        z = batch.z[g]
        if term.channels == "dynamics":
            z = halves(z, batch.n_levels, term.form, term.ratio)[1]
        errors = [
            (term.head(z[b, k]) - (h[b, n + s] - h[b, n])).abs()
            for b, k, _, n in pairs(batch.context_index[g], batch.grid)
        ]
        if term.hard_weighted and errors:
            e = torch.stack(errors)
            weight = torch.softmax(e.detach().mean(-1) / term.temperature, 0) * len(e)
            errors = list(weight[:, None] * e)
        return errors

    return over_groups(batch, error)


def ac(batch, term):
    s = _step(batch.grid)
    grid = batch.grid

    def colour(b, n):
        t, y, x = place(n, grid)
        return batch.clip[
            b,
            :,
            t * grid.tubelet : (t + 1) * grid.tubelet,
            y * grid.patch : (y + 1) * grid.patch,
            x * grid.patch : (x + 1) * grid.patch,
        ].mean((1, 2, 3))

    def error(g):
        z = batch.z[g]
        if term.channels == "dynamics":
            z = halves(z, batch.n_levels, term.form, term.ratio)[1]
        return [
            (term.head(z[b, k]) - (colour(b, n + s) - colour(b, n))).abs()
            for b, k, _, n in pairs(batch.context_index[g], batch.grid)
        ]

    return over_groups(batch, error)


def spectral(batch, term):
    """Spectra as sums of cosines and sines, at places that are context at every time step."""
    s, steps = _step(batch.grid), batch.grid.t
    h = batch.h.detach()
    weight = torch.linspace(0.1, 1, steps // 2 + 1)

    def error(g):
        out = []
        for b, row in enumerate(batch.context_index[g]):
            slot = {int(n): k for k, n in enumerate(row)}
            for n in range(s):
                if all(n + t * s in slot for t in range(steps)):
                    d = [batch.z[g][b, slot[n + t * s]] - h[b, n + t * s] for t in range(steps)]
                    for f in range(steps // 2 + 1):
                        re = sum(d[t] * math.cos(2 * math.pi * f * t / steps) for t in range(steps))
                        im = sum(d[t] * math.sin(2 * math.pi * f * t / steps) for t in range(steps))
                        out.append(weight[f] * (re**2 + im**2).sqrt())
        return out

    return over_groups(batch, error)


def velgate(batch, term):
    s, grid = _step(batch.grid), batch.grid
    h = batch.h.detach()
    speed = (h[:, s:] - h[:, :-s]).norm(dim=-1).view(len(h), grid.t - 1, s)

    def error(g):
        out = []
        for b, k, j, n in pairs(batch.context_index[g], grid):
            frame = speed[b, n // s]
            gate = float(frame[n % s] <= frame.quantile(0.5))
            out.append(gate * (batch.z[g][b, j] - batch.z[g][b, k]).abs())
        return out

    return over_groups(batch, error)


def hamiltonian(batch, term):
    """The symplectic step with the energy's gradients taken by autograd."""
    s = _step(batch.grid)
    h = batch.h.detach()
    half = h.shape[-1] // 2

    def slope(x, part):
        return torch.autograd.grad(term.energy(x).sum(), x, create_graph=True)[0][part]

    def error(g):
        out = []
        for b, k, _, n in pairs(batch.context_index[g], batch.grid):
            x = batch.z[g][b, k]
            q = x[:half] + term.dt * slope(x, slice(half, None))
            p = x[half:] - term.dt * slope(torch.cat([q, x[half:]]), slice(None, half))
            out.append((q - h[b, n + s, :half]).abs() + (p - h[b, n + s, half:]).abs())
        return out

    return over_groups(batch, error)


def kinematic(batch, term):
    s = _step(batch.grid)
    h = batch.h[..., : int(batch.h.shape[-1] * term.ratio)]
    change = h[:, s:] - h[:, :-s]
    if term.kind == "acceleration":
        change = change[:, s:] - change[:, :-s]
    if term.kind == "huber":
        small = change.abs() <= 0.1
        return torch.where(small, change**2 / 2, 0.1 * (change.abs() - 0.05)).mean()
    return change.abs().mean()


def sigreg(z, directions, t_max=3.0, points=17):
    """Epps-Pulley statistic of every projection, as its definition has it, on both sides of 0."""
    projected = z @ (directions / directions.norm(dim=0))
    t = torch.linspace(-t_max, t_max, 2 * points - 1)
    phi = torch.exp(1j * projected[:, :, None] * t).mean(0)  # [S, points]
    normal = torch.exp(-(t**2) / 2)
    return len(z) * torch.trapezoid((phi - normal).abs() ** 2 * normal, t)


def _nce(query, positive, negatives, temperature):
    """-log of the positive's share: arXiv 2008.02531 and 2108.02722 write it as one fraction."""
    own = torch.exp(query @ positive / temperature)
    return -torch.log(own / (own + sum(torch.exp(query @ n / temperature) for n in negatives)))


def _own_channels(batch, term, x):
    if term.channels == "all":
        return x
    return halves(x, batch.n_levels, term.form, term.ratio)[term.channels == "dynamics"]


def _embedded(batch, term, x):
    y = term.head(_own_channels(batch, term, x))
    return y / y.norm()


def iic(batch, term):
    """Two views of a clip, each once the anchor; negatives: other clips, and the broken clip."""
    moving = [i for i in range(len(batch.h)) if batch.clip[i].diff(dim=1).abs().mean() > 0.05]
    clip, residual, broken = {}, {}, {}
    for i in moving:
        tokens = list(batch.z[-1][i])
        clip[i] = _embedded(batch, term, sum(tokens) / len(tokens))
        residual[i] = _embedded(batch, term, batch.views["residual"][i])
        if term.intra != "none":
            broken[i] = _embedded(batch, term, batch.views[term.intra][i])
    losses = []
    for anchor, positive in ((clip, residual), (residual, clip)):
        for i in moving:
            inter = [positive[j] for j in moving if j != i]
            intra = [broken[i]] if term.intra != "none" else []
            losses.append(_nce(anchor[i], positive[i], inter + intra, term.temperature))
    return sum(losses) / len(losses)


def vclr(batch, term):
    """Mean of segments against a queue, segment against segment, and the order of segments."""
    grid, count, clips = batch.grid, term.segments, range(len(batch.h))

    def segments(tokens, numbers):
        """The mean channels of every time segment, over the tokens that are there."""
        found = [[] for _ in range(count)]
        for token, n in zip(tokens, numbers, strict=True):
            found[place(int(n), grid)[0] * count // grid.t].append(
                _own_channels(batch, term, token)
            )
        return [sum(f) / len(f) for f in found]

    def unit(x):
        y = term.head(x)
        return y / y.norm()

    def draw(high):
        return [int(d) for d in torch.randint(high, (len(clips),), generator=batch.generator)]

    query = [segments(batch.z[0][i], batch.context_index[0][i]) for i in clips]
    h = batch.h.detach()
    key = [segments(h[i], range(grid.n)) for i in clips]
    with torch.no_grad():
        # A place of the queue that nothing has filled yet is a similarity of 0.
        nothing = torch.zeros(len(unit(key[0][0])))
        memory = [unit(q) if q.abs().sum() > 0 else nothing for q in term.queue]
        key_video = [unit(sum(k) / count) for k in key]
        key_segment = [[unit(s) for s in k] for k in key]
    video = [
        _nce(unit(sum(query[i]) / count), key_video[i], memory, term.temperature) for i in clips
    ]
    first, later, mixed = draw(count), draw(count - 1), draw(math.factorial(count))
    other = [key_segment[i][(first[i] + 1 + later[i]) % count] for i in clips]
    instance = [
        _nce(
            unit(query[i][first[i]]),
            other[i],
            [other[j] for j in clips if j != i],
            term.temperature,
        )
        for i in clips
    ]
    order = []
    for i in clips:
        told = torch.cat([query[i][s] for s in term.orders[mixed[i]]])
        scores = torch.exp(term.order_head(told))
        order.append(-torch.log(scores[mixed[i]] / scores.sum()))
    parts = [sum(losses) / len(losses) for losses in (video, instance, order)]
    return term.video * parts[0] + term.instance * parts[1] + term.order * parts[2]
