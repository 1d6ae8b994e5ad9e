# Densities summed over dimensions, entropies against torch.distributions; at the ends; a policy that presses against its end.
from lib import *
import math, torch, torch.distributions as D
from poise.algos.distributions import Gaussian, SquashedGaussian, Beta
from poise.algos.distributions import Categorical, MultiCategorical
torch.manual_seed(0); g = torch.Generator().manual_seed(1)
m, s = torch.randn(5, 3), torch.randn(5, 3) * .5
n = D.Independent(D.Normal(m, s.exp()), 1); x = n.sample(); p = Gaussian(m, s)
check(torch.allclose(p.log_prob(x), n.log_prob(x), atol=1e-4) and torch.allclose(p.entropy(), n.entropy(), atol=1e-5), "Gaussian: density and entropy are sums over dimensions")
t = D.TransformedDistribution(D.Normal(m, s.exp()), D.TanhTransform(cache_size=1)); x = t.sample(); q = SquashedGaussian(m, s)
check(torch.allclose(q.log_prob(x.clamp(-.9999, .9999)), t.log_prob(x.clamp(-.9999, .9999)).sum(-1), atol=2e-2), "squashed: density")
big = SquashedGaussian(m[:1].expand(400000, 3), s[:1].expand(400000, 3)); a, lp = big.sample(g)
check(abs(float(-lp.mean() - q.entropy()[0])) < 2e-2, f"squashed: entropy {float(q.entropy()[0]):.3f}, by samples {float(-lp.mean()):.3f}")
for mean, ls in ((0., 2.), (3., 2.), (3., 0.), (8., -1.)):
    d = SquashedGaussian(torch.full((400000, 1), mean), torch.full((400000, 1), ls)); _, lp = d.sample(g)
    check(abs(float(-lp.mean() - d.entropy()[0])) < 0.05 * max(1, abs(float(lp.mean()))), f"squashed entropy at mean {mean}, log std {ls}: {float(d.entropy()[0]):.3f}, by samples {float(-lp.mean()):.3f}")
al, be = torch.rand(5, 3) * 4 + 1.01, torch.rand(5, 3) * 4 + 1.01; b = D.Beta(al, be); mine = Beta(al, be); x = b.sample()
check(torch.allclose(mine.log_prob(2 * x - 1), (b.log_prob(x) - math.log(2)).sum(-1), atol=1e-3) and torch.allclose(mine.entropy(), (b.entropy() + math.log(2)).sum(-1), atol=1e-4), "Beta: density and entropy")
for name, d in (("Beta", mine), ("squashed", q)):
    e = d.log_prob(torch.tensor([[1., -1., 1.]]).expand(5, 3)); check(bool(torch.isfinite(e).all()), f"{name} at its ends: {e.tolist()}")
l = [torch.randn(5, 2), torch.randn(5, 4)]; mc = MultiCategorical([Categorical(l[0]), Categorical(l[1], 3)])
check(torch.allclose(mc.entropy(), sum(D.Categorical(logits=z).entropy() for z in l), atol=1e-5), "MultiCategorical: entropy is the sum")
ninf = Categorical(torch.tensor([[0., -200.], [200., -200.]])); check(bool(torch.isfinite(ninf.entropy()).all()), f"Categorical that is sure: entropy {ninf.entropy().tolist()}")
# The density a sample was drawn with, and what log_prob says of it afterwards (PPO asks the latter), once tanh is full.
for mean, ls in ((2., -1.), (5., -2.), (7., -2.), (9., -3.)):
    d = SquashedGaussian(torch.full((2000, 1), mean), torch.full((2000, 1), ls)); a, lp = d.sample(g); gap = float((d.log_prob(a) - lp).abs().max())
    check(gap < 1.0, f"squashed, mean {mean} log std {ls}: log_prob of its own samples is off by up to {gap:.1f} nats")
end()
