import scripts.build as _b
_c=_b._compile_cached
_b._compile_cached=lambda v,i,strict=True:_c(v,i,strict=False)
from tests.support.revm import Revm
from tests.support.chain import *
from tests.support.auction import person, public_key, struct_hash, typed_digest, sign, Score, pack, weights, NO_DST, REPORT_TYPE
from tests.support.discrete_log import *
Revm.code_limit=120000
c=Revm()
o=c.deploy("ScoreOracle",ETHER,1); a=c.deploy("DataAuction",o,0,1,1); tok=c.deploy("Token")
x=c.at("Exchange",c.call(a,"EXCHANGE"))
KT="EncryptionKey(address owner,bytes32 x,bytes32 y)"
ops=sorted((person(f"o{i}") for i in range(4)),key=lambda p:int(p.address,16))
first,app=ops[:3],ops[3:]
def b32(p): return [v if isinstance(v,bytes) else v.to_bytes(32,"big") for v in p]
for p in ops:
    c.set_balance(p.address,10*ETHER); k=public_key(p)
    c.transact(o,"register",*k,sign(p,typed_digest("Q-MIA ScoreOracle",o.address,struct_hash(KT,p.address,*k))),sender=p.address)
    c.transact(o,"deposit",p.address,sender=p.address,value=5*ETHER)
c.transact(o,"proposeSet",(3,[p.address for p in first]),(1,[p.address for p in app]))
for i,p in enumerate(ops): c.transact(o,"acceptSet",1,i,sender=p.address)
buyer=ACCOUNTS[1]; bk=person("bk"); k=public_key(bk)
key=(*k,sign(bk,typed_digest("Q-MIA DataAuction",a.address,struct_hash(KT,buyer.address,*k))))
c.transact(tok,"mint",buyer.address,10**6); c.transact(tok,"approve",a,10**6,sender=buyer.address)
d=dict(commit=100,open=100,roll=10,scoreCommit=10,scoreOpen=10,scorePost=10,challenge=10,reveal=100,settle=100,fetch=100,deliver=100,dispute=100)
terms=dict(token=tok.address,budget=10**6,pool=0,rho=10**9,tranche=0,weights=weights(),bondGwei=10**7,maxBids=100,enrolment=False,agreement=b"a"*32,
 scoring=dict(operatorSet=1,samples=8,qMin=100,stakeGwei=10**9,feeGwei=10**6,entryFeeGwei=10**5,appealFeeGwei=10**6,fetchFeeGwei=10**4,metricVersion=b"m"*32,evaluation=b"e"*32),durations=d,dst=NO_DST)
t0=c.time
c.transact(a,"create",terms,key,sender=buyer.address,value=10**15+777)
key32=[keccak(text=f"k{i}") for i in range(3)]
places=[];sealed=[];ds=[]
for i in range(3):
    w=person(f"p{i}").address; c.set_balance(w,ETHER)
    s=c.call(a,"sealBid",1,w,(100000,200000,900000)[i],b"s"*32); D=(b"c"*32,b"d"*32,99,keccak(key32[i]))
    c.transact(a,"commit",1,s,D,b"a"*32,sender=w,value=(10**7+10**5)*10**9)
    dh=keccak(encode(["bytes32","bytes32","uint64","bytes32"],D)); places.append((i,w,w,dh)); sealed.append(s); ds.append(D)
c.time=t0+100
for i in range(3): c.transact(a,"open",1,sealed[i],places[i],b"o"*32,sender=places[i][1])
c.time=t0+200
c.transact(o,"callRoll",a,1,0,[7],sender=app[0].address)
c.time=t0+210
c.transact(o,"tallyRoll",a,1,[[7]])
vec=pack([Score(1000,10000,10000,1)]*3)
subs=[]
for i,p in enumerate(first):
    root=keccak(keccak(vec)); dg=typed_digest("Q-MIA ScoreOracle",o.address,struct_hash(REPORT_TYPE,a.address,1,1,b"m"*32,root,b"v"*32))
    subs.append(dict(member=i,salt=b"z"*32,evidence=b"v"*32,signature=sign(p,dg),chunkHashes=[keccak(vec)],vector=vec))
    c.transact(o,"commitVector",a,1,i,keccak(encode(["bytes32","address","bytes32"],[dg,p.address,b"z"*32])),sender=p.address)
c.time=t0+220
c.transact(o,"postScores",a,1,0,subs)
st,ends=c.call(a,"phases",1); print([e-t0 for e in ends])
c.time=ends[3]
for i in range(3): print(c.transact(a,"reveal",1,places[i],(100000,200000,900000)[i],b"s"*32).events("Revealed")[0].args["weight"])
c.time=ends[4]
print(c.transact(a,"settle",1,(1,2**32-1,2**32-1),100).event("Settled").args)
c.time=ends[6]
ctx=lambda i: keccak(encode(["uint256","address","uint256","uint256"],[CHAIN_ID,a.address,1,i]))
sk=int.from_bytes(bytes(bk.key),"big")
dels=[]
for i,wrong in ((0,False),(1,True)):
    e=person(f"e{i}"); E=tuple(int.from_bytes(v,"big") for v in public_key(e)); S=multiply(sk,E)
    mask=keccak(encode(["uint256","uint256","bytes32"],[*S,ctx(i)])); kk=b"x"*32 if wrong else key32[i]
    wr=bytes(p^q for p,q in zip(kk,mask)); dl=(wr,*b32(E)); dels.append((dl,E))
    dg=c.call(x,"deliveryDigest",1,i,dl)
    c.transact(x,"deliver",1,places[i],dl,sign(e,dg),b"",sender=places[i][1])
c.time=ends[7]
from tests.support.chain import reverts
B=multiply(sk)
for i in (0,1):
    pr=prove(ctx(i),sk,dels[i][1],12345)
    try: print([e.name for e in c.transact(x,"refute",1,places[i],ds[i],dels[i][0],B,pr).logs])
    except Reverted as r: print("refute",i,r)
c.time=ends[8]
for i in (0,2): print(c.transact(a,"claim",1,places[i],7).event("Claimed").args)
print(c.transact(a,"withdrawRefund",1,buyer.address,sender=buyer.address).event("RefundWithdrawn").args)
for i in range(3): print(c.transact(o,"claimFee",a,1,1,i).event("FeeClaimed").args["amount"])
c.time=c.time+8*86400
for i in range(3): c.transact(o,"releaseStake",a,1,1,i)
for p in ops: c.transact(o,"withdrawCredit",p.address,c.call(o,"credit",p.address),sender=p.address)
print("left: auction",c.balance(a.address),c.call(tok,"balanceOf",a),"oracle",c.balance(o.address))
